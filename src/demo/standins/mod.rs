//! Stand-ins for the vendors' services on loopback: real sockets, and faults on demand.
//!
//! They refuse what the vendor would refuse, with the vendor's own answer, and record it as an offence. The rules that
//! only the tests check are in tests/support.

mod faults;
mod google_chat;
mod http;
mod log;
mod pagerduty;
mod port;
mod random;
mod slack;
mod stand_in;
mod tutum;
mod tutum_account;
mod tutum_api;
mod tutum_connection;
mod tutum_stream;

pub use faults::{InjectedFault, Injection, TokenBucket, VendorLimit};
pub use google_chat::{ChatSpace, GoogleChat, GoogleChatPost, new_thread, refusal as google_chat_refusal};
pub use http::{Reply, Request};
pub use log::{Log, WaitTimeout};
pub use pagerduty::{Alert, AlertChange, PagerDuty, PagerEvent, Payload, Service, invalid as pagerduty_refusal};
pub use random::random_text;
pub use slack::{Slack, SlackPost, Webhook};
pub use stand_in::{Attempt, AttemptOutcome, Rules, StandIn, Vendor};
pub use tutum::Tutum;
pub use tutum_account::Credentials;
pub use tutum_api::Api;
pub use tutum_stream::Stream;
