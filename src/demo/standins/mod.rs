//! Stand-ins for the vendors' services on loopback: real sockets, the vendors' rules, and faults on demand.
//!
//! They refuse what the vendor would refuse, with the vendor's own answer, and record it as an offence. A test whose
//! `offences()` are empty at its end has followed the vendors' rules throughout.

mod faults;
mod google_chat;
mod http;
mod log;
mod pagerduty;
mod pagerduty_rules;
mod port;
mod random;
mod slack;
mod slack_rules;
mod stand_in;
mod tutum;
mod tutum_account;
mod tutum_api;
mod tutum_auth;
mod tutum_connection;
mod tutum_stream;

pub use faults::{InjectedFault, Injection, TokenBucket, VendorLimit};
pub use google_chat::{GoogleChat, GoogleChatPost, Thread};
pub use http::{Reply, Request};
pub use log::{Log, WaitTimeout};
pub use pagerduty::{Alert, AlertChange, PagerDuty};
pub use random::random_text;
pub use slack::{Slack, SlackPost};
pub use slack_rules::{BrokenRule, check_content};
pub use stand_in::{Attempt, AttemptOutcome, StandIn, Vendor};
pub use tutum::Tutum;
pub use tutum_account::Credentials;
pub use tutum_api::Api;
pub use tutum_auth::{AuthForm, AuthRefusal};
pub use tutum_stream::Stream;
