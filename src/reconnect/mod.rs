//! When to connect to a peer again: at once after the loss of a connection that delivered something, with a growing pause
//! after failures, slowly after refused credentials; and the log lines about all of it.
//!
//! Does not connect itself. Its owner connects and reads in a loop like this one:
//!
//! ```text
//! loop {
//!     let fault = connect, `reconnect.connected()`, read until the connection is lost, and call
//!         `reconnect.delivered()` for what was read;
//!     reconnect.lost(&fault);
//!     report `fault`;
//!     if reconnect.wait().await.is_none() { return }
//! }
//! ```
//!
//! An owner that polls calls [`Reconnect::answered`] after every successful request instead of `connected`.

mod config;
mod pace;
mod standstill;

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::stop::Stop;

pub use config::ReconnectConfig;
use pace::Pace;
pub use standstill::{ReadingClock, STANDSTILL, Standstill};

/// The reason of a fault that only a person can fix, by changing credentials or permissions.
pub const REFUSED: &str = "refused";

pub struct Reconnect<'a> {
    /// Only for the log, as `address`.
    source: &'a str,
    address: String,
    config: ReconnectConfig,
    stop: &'a Stop,
    pace: Pace,
    state: ConnectionState,
    /// Before the next attempt.
    pause: Duration,
}

enum ConnectionState {
    Disconnected,
    Connected {
        since: Instant,
        delivered: bool,
    },
    /// A polled peer answered the last request; there is no connection to lose.
    Answering,
}

impl<'a> Reconnect<'a> {
    /// `address` is logged, so it must not contain credentials.
    pub fn new(source: &'a str, address: impl Display, config: ReconnectConfig, stop: &'a Stop) -> Self {
        let (pace, state) = (Pace::new(config.retry), ConnectionState::Disconnected);
        Self { source, address: address.to_string(), config, stop, pace, state, pause: Duration::ZERO }
    }

    /// A connection was established. Whether it delivers something decides how soon the next attempt is made.
    pub fn connected(&mut self) {
        info!(source = self.source, address = self.address, "connected");
        self.state = ConnectionState::Connected { since: Instant::now(), delivered: false };
    }

    /// The connection delivered something: it works, whatever comes next. Cheap enough for every event.
    pub fn delivered(&mut self) {
        if let ConnectionState::Connected { delivered, .. } = &mut self.state {
            *delivered = true;
        }
    }

    /// A polled peer answered a request, which ends any series of failures.
    pub fn answered(&mut self) {
        if !matches!(self.state, ConnectionState::Answering) {
            info!(source = self.source, address = self.address, "connected");
            self.state = ConnectionState::Answering;
            self.pace = Pace::new(self.config.retry);
        }
    }

    /// The connection was lost, or the attempt to connect failed. A fault with the reason [`REFUSED`] is handled as by
    /// [`Reconnect::refused`].
    pub fn lost(&mut self, fault: &Fault) {
        self.lost_until(fault, Duration::ZERO);
    }

    /// The same where the peer asked not to be contacted for `at_least` this long.
    pub fn lost_until(&mut self, fault: &Fault, at_least: Duration) {
        if fault.reason() == REFUSED {
            return self.refused(fault);
        }
        let pause = match std::mem::replace(&mut self.state, ConnectionState::Disconnected) {
            ConnectionState::Connected { since, delivered } => {
                self.pace.after_loss(since.elapsed(), delivered, Instant::now())
            }
            ConnectionState::Disconnected | ConnectionState::Answering => self.pace.after_failure(),
        };
        self.pause = pause.max(at_least);
        let retrying = self.retrying();
        warn!(source = self.source, address = self.address, reason = fault.reason(), %fault, "not connected, {retrying}");
    }

    /// The peer refused the credentials. Frequent attempts could lock the account.
    pub fn refused(&mut self, fault: &Fault) {
        self.state = ConnectionState::Disconnected;
        self.pause = self.config.refused;
        let retrying = self.retrying();
        let (source, address) = (self.source, self.address.as_str());
        error!(source, address, %fault, "authentication failed, check the credentials, {retrying}");
    }

    /// Waits until the next attempt is due. None: the stop came first. Without a loss since the last call there is
    /// nothing to wait for.
    pub async fn wait(&mut self) -> Option<()> {
        self.stop.or(sleep(self.pause)).await?;
        self.pause = Duration::ZERO;
        Some(())
    }

    /// How long [`Reconnect::wait`] would wait.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    fn retrying(&self) -> String {
        if self.pause.is_zero() {
            return "retrying now".to_owned();
        }
        format!("retrying in {}", print_duration(self.pause))
    }
}

#[cfg(test)]
mod tests;
