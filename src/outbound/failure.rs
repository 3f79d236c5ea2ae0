//! Requests that got no reply: why, without the address.

use std::error::Error;
use std::io;

use super::{redact, trust};
use crate::fault::Fault;
use crate::message::SendError;

/// This machine does not permit the connection: a Unix socket of another user, or its own firewall.
pub const PERMISSION: &str = "permission";
/// The Unix socket does not exist.
pub const NO_SOCKET: &str = "no_socket";

/// `secrets` are kept out of the message.
pub(super) fn fault(error: reqwest::Error, secrets: &[String]) -> Fault {
    if let Some(untrusted) = trust::untrusted_certificate(&error) {
        return untrusted;
    }
    let reason = reason(&error);
    let error = error.without_url();
    let what = match reason {
        "timeout" => "no reply in time",
        "dns" => "the host name has no address",
        "tls" => "TLS failed",
        "connect" | PERMISSION | NO_SOCKET => "no connection",
        "reset" => "the connection broke",
        _ => "the reply is unreadable",
    };
    Fault::new(reason, redact::clean(&format!("{what}: {}", root_cause(&error)), secrets))
}

/// What a failed request means for its message. A receiver that cannot be reached holds the whole lane; a connection
/// that broke may be this message's own trouble. Once there was a connection the message may have been delivered.
pub(super) fn verdict(fault: Fault) -> SendError {
    let lane = matches!(fault.reason(), "timeout" | "dns" | "tls" | "connect" | PERMISSION | NO_SOCKET);
    let maybe = matches!(fault.reason(), "timeout" | "reset" | "garbled");
    SendError::Later { wait: None, lane, maybe, cause: fault }
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return if error.is_connect() { "connect" } else { "timeout" };
    }
    if error.is_dns() {
        return "dns";
    }
    let causes = || std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    if causes().any(is_tls) {
        return "tls";
    }
    if error.is_connect() {
        let kind = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        return match kind {
            Some(io::ErrorKind::PermissionDenied) => PERMISSION,
            Some(io::ErrorKind::NotFound) => NO_SOCKET,
            _ => "connect",
        };
    }
    // hyper has no type for a connection that ended too early, only this text.
    let broke = |cause: &(dyn Error + 'static)| {
        cause.is::<io::Error>() || cause.to_string().contains("connection closed before message completed")
    };
    if causes().any(broke) { "reset" } else { "garbled" }
}

fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    // The source of an io::Error is the source of what it wraps, so the wrapped error itself is looked at.
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => is_tls(inside),
        None => cause.is::<rustls::Error>(),
    }
}

/// The last error of the chain names the cause, the others the layers above it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
