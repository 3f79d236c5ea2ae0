//! The faults of a connection, as texts of ours.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::fault::Fault;
use crate::reconnect::REFUSED;

/// Close codes for Unauthorized and Forbidden: the two that IANA lists, and what many servers send instead.
const REFUSALS: [u16; 4] = [3000, 3003, 4401, 4403];

pub(super) fn from_error(error: Error) -> Fault {
    match error {
        Error::Http(answer) => match answer.status().as_u16() {
            status @ (401 | 403) => Fault::new(REFUSED, format!("the server refuses the credentials ({status})")),
            status @ 300..=399 => {
                Fault::new("redirect", format!("the server answers with a redirect ({status}), which is not followed"))
            }
            status => Fault::new("status", format!("the server answers {status} instead of opening a WebSocket")),
        },
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Fault::new("too_big", format!("a message of {size} bytes is above max_frame ({max_size} bytes)"))
        }
        Error::Io(error) if is_tls(&error) => Fault::new("tls", error.to_string()),
        Error::Tls(error) => Fault::new("tls", error.to_string()),
        Error::Io(error) => Fault::new("io", error.to_string()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::ConnectionClosed => closed(None),
        Error::WriteBufferFull(_) => not_reading(),
        error => Fault::new("protocol", error.to_string()),
    }
}

fn is_tls(error: &std::io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<rustls::Error>())
}

pub(super) fn not_reading() -> Fault {
    Fault::new("dead_peer", "the peer no longer reads what is sent to it")
}

pub(super) fn closed(frame: Option<&CloseFrame>) -> Fault {
    let Some(frame) = frame else { return Fault::new("closed", "the connection was closed") };
    let code = u16::from(frame.code);
    let reason = if REFUSALS.contains(&code) { REFUSED } else { "closed" };
    Fault::new(
        reason,
        match frame.reason.as_str() {
            "" => format!("the peer closed the connection ({code})"),
            // Quoted, so that the peer's text cannot be mistaken for ours.
            why => format!("the peer closed the connection ({code}, {why:?})"),
        },
    )
}
