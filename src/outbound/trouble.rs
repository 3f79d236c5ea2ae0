//! What went wrong on the road: told apart, and told without the address.

use std::error::Error;
use std::io;

use super::redact;
use crate::fault::Fault;
use crate::message::SendError;

/// This machine does not let us connect: a Unix socket that belongs to others, or its own firewall.
pub const PERMISSION: &str = "permission";
/// There is no such Unix socket.
pub const NOBODY: &str = "no_socket";

/// A failure below HTTP as a fault. `secrets` are kept out of its words.
pub(super) fn fault(error: reqwest::Error, secrets: &[String]) -> Fault {
    let reason = reason(&error);
    let error = error.without_url();
    let what = match reason {
        "timeout" => "no answer in time",
        "dns" => "the host's name has no address",
        "tls" => "no trusted connection",
        "connect" | PERMISSION | NOBODY => "no connection",
        "reset" => "the connection broke",
        _ => "no readable answer",
    };
    Fault::new(reason, redact::clean(&format!("{what}: {}", root(&error)), secrets))
}

/// The same as a verdict. Whoever cannot be reached cannot be reached by the next message either; a connection
/// that broke may have been this message's own. Once there was a connection, the message may have gone through it.
pub(super) fn judged(fault: Fault) -> SendError {
    let lane = matches!(fault.reason(), "timeout" | "dns" | "tls" | "connect" | PERMISSION | NOBODY);
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
            Some(io::ErrorKind::NotFound) => NOBODY,
            _ => "connect",
        };
    }
    // hyper has no type for a connection that ended too early, only these words.
    let broke = |cause: &(dyn Error + 'static)| {
        cause.is::<io::Error>() || cause.to_string().contains("connection closed before message completed")
    };
    if causes().any(broke) { "reset" } else { "garbled" }
}

fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    // What is inside an io::Error is not its source but stands in its place, so it is opened.
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => is_tls(inside),
        None => cause.is::<rustls::Error>(),
    }
}

/// The last of the chain, which is what happened; the layers above it only say where it passed.
fn root(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
