//! Why an authenticated request holds no events.

use crate::http_server::HttpError;

/// Each variant has its own status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// 400
    #[error("{0}")]
    Malformed(String),
    /// 413
    #[error("{0}")]
    TooLarge(String),
    /// 415
    #[error("{0}")]
    ContentType(String),
}

impl Unreadable {
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }
}

impl From<Unreadable> for HttpError {
    fn from(unreadable: Unreadable) -> Self {
        const NOTHING_STORED: &str = "nothing was stored";
        match unreadable {
            Unreadable::Malformed(why) => Self::bad_request(why, NOTHING_STORED),
            Unreadable::TooLarge(why) => Self::too_large(why, NOTHING_STORED),
            Unreadable::ContentType(why) => Self::unsupported_media_type(
                why,
                "send application/json, application/x-www-form-urlencoded or CloudEvents",
            ),
        }
    }
}
