//! Stand-ins of the vendors on loopback: real sockets, the vendors' rules, and trouble on demand.
//!
//! They refuse what the vendor would refuse, in the vendor's words, and write down every such
//! offence: a test that ends with `offences()` empty has spoken the vendors' language all along.

mod faults;
mod google_chat;
mod log;
mod pagerduty;
mod pagerduty_rules;
mod peer;
mod port;
mod slack;
mod slack_api;
mod slack_channel;
mod slack_rules;
mod tutum;
mod tutum_api;
mod tutum_auth;
mod tutum_line;
mod tutum_stream;
mod wire;

pub use faults::{Limit, Mix, Trouble};
pub use google_chat::{GoogleChat, Said, Thread};
pub use log::{Late, Log};
pub use pagerduty::{Alert, Effect, PagerDuty};
pub use peer::{Attempt, Outcome, Peer, Vendor};
pub use slack::{Post, Slack};
pub use slack_api::SlackApi;
pub use slack_channel::{Call, Content, Head};
pub use tutum::{Credentials, Tutum};
pub use tutum_api::Api;
pub use tutum_auth::{AuthForm, Refusal};
pub use tutum_stream::Stream;
pub use wire::{Reply, Request};

/// So many letters and digits that nobody guesses them.
fn unguessable(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
