//! Which vCenter, and as which user.

use reqwest::Url;

use crate::outbound::Trust;
use crate::secret::Secret;

/// The `User-Agent` of every call: vCenter shows it in its list of sessions and in its log-in events.
pub(super) const USER_AGENT: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Clone)]
pub struct Account {
    /// The whole endpoint, `https://vcenter.example.com/sdk`.
    pub url: Url,
    pub user: String,
    pub password: Secret,
    pub trust: Trust,
}
