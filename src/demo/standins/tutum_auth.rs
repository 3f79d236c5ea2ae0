//! How clients show Tutum's stream who they are: three forms have occurred.

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::tutum::Credentials;

/// How a stream says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// With the documented error as the first message, and the end.
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

/// What the handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    Let(AuthForm),
    /// Said in the stream's first message.
    Unauthorized,
    /// The script wants it so; nobody is to blame.
    Refused,
    NoSuchPlace(String),
}

impl Admission {
    pub(super) fn offence(&self) -> Option<String> {
        match self {
            Self::Let(_) | Self::Refused => None,
            Self::Unauthorized => Some("the stream was asked without the account's credentials".to_owned()),
            Self::NoSuchPlace(path) => Some(format!("there is no stream at {path:?}")),
        }
    }
}

/// The answer to a handshake; what it came to is left in `admission`.
#[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
pub(super) fn judge<'a>(
    credentials: &'a Credentials,
    refusal: Option<Refusal>,
    admission: &'a mut Admission,
) -> impl FnOnce(&Request, Response) -> Result<Response, ErrorResponse> + Unpin + 'a {
    move |request, response| {
        let path = request.uri().path();
        if path.trim_end_matches('/') != "/v1/events" {
            *admission = Admission::NoSuchPlace(path.to_owned());
            return Err(refuse(StatusCode::NOT_FOUND));
        }
        match refusal {
            Some(Refusal::AtHandshake(status)) => {
                *admission = Admission::Refused;
                return Err(refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED)));
            }
            Some(Refusal::InStream) => *admission = Admission::Refused,
            None => *admission = form(credentials, request).map_or(Admission::Unauthorized, Admission::Let),
        }
        Ok(response)
    }
}

fn form(credentials: &Credentials, request: &Request) -> Option<AuthForm> {
    let query = request.uri().query().unwrap_or_default();
    let value = |name: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        pair.map(|(_, value)| decode(value))
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

/// Undoes percent signs; what is not one stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let coded = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refuse(status: StatusCode) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    response
}
