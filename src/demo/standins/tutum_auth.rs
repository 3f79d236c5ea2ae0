//! Authentication at Tutum's stream: clients have used three forms.

use percent_encoding::percent_decode_str;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::tutum_account::Credentials;

/// How a stream refuses a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthRefusal {
    /// With the documented error as the first message, and a close.
    InStream,
    /// With this HTTP status instead of a WebSocket.
    AtHandshake(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthForm {
    /// `?token=…&user=…`
    TokenAndUser,
    /// `?auth=ApiKey%20user:token`
    Auth,
    /// `Authorization: …`
    Header,
}

/// The result of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    Accepted(AuthForm),
    /// Reported in the stream's first message.
    Unauthorized,
    /// By `refuse_auth`, so this is no offence of the client.
    Refused,
    NotFound(String),
}

impl Admission {
    pub(super) fn offence(&self) -> Option<String> {
        match self {
            Self::Accepted(_) | Self::Refused => None,
            Self::Unauthorized => Some("a connection to the stream without the account's credentials".to_owned()),
            Self::NotFound(path) => Some(format!("there is no stream at {path:?}")),
        }
    }
}

/// Answers a handshake, and leaves its result in `admission`.
#[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
pub(super) fn authenticate<'a>(
    credentials: &'a Credentials,
    refusal: Option<AuthRefusal>,
    admission: &'a mut Admission,
) -> impl FnOnce(&Request, Response) -> Result<Response, ErrorResponse> + Unpin + 'a {
    move |request, response| {
        let path = request.uri().path();
        if path.trim_end_matches('/') != "/v1/events" {
            *admission = Admission::NotFound(path.to_owned());
            return Err(refuse(StatusCode::NOT_FOUND));
        }
        match refusal {
            Some(AuthRefusal::AtHandshake(status)) => {
                *admission = Admission::Refused;
                return Err(refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED)));
            }
            Some(AuthRefusal::InStream) => *admission = Admission::Refused,
            None => *admission = form(credentials, request).map_or(Admission::Unauthorized, Admission::Accepted),
        }
        Ok(response)
    }
}

fn form(credentials: &Credentials, request: &Request) -> Option<AuthForm> {
    let query = request.uri().query().unwrap_or_default();
    let value = |name: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        pair.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy())
    };
    if value("token").is_some_and(|token| token == credentials.token) {
        return value("user").is_some_and(|user| user == credentials.user).then_some(AuthForm::TokenAndUser);
    }
    if let Some(auth) = value("auth") {
        return credentials.accepts(&auth).then_some(AuthForm::Auth);
    }
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    header.is_some_and(|value| credentials.accepts(value)).then_some(AuthForm::Header)
}

fn refuse(status: StatusCode) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    response
}
