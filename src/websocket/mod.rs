//! One WebSocket, kept open for ever and kept honest: it reconnects, finds dead peers, bounds what it
//! reads, and goes slowly where the credentials are refused.
//!
//! Knows frames and clocks; knows no event and no source. A source asks it for [`News`] in a loop.

mod address;
mod config;
mod connection;
mod faults;
#[cfg(test)]
pub(crate) mod peer;
mod reconnect_pace;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::{error, info, warn};

use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::stop::Stop;

pub use address::Address;
pub use config::ConnectionConfig;
pub use faults::REFUSED;
pub use reconnect_pace::ReconnectPace;

use connection::{Connection, Heard};

/// The longest message that a wire says: half of what it stores for a peer that does not read.
pub const LONGEST_MESSAGE: usize = 8 * 1024;

/// What a wire has to tell.
#[derive(Debug)]
pub enum News {
    /// The handshake is done.
    Open,
    /// The connection has stood for one `ping` interval. Once for each [`News::Open`], if it lasts so long.
    Standing,
    /// One message: text, or binary that is text.
    Text(Utf8Bytes),
    /// A message that is no text at all.
    Binary,
    /// The connection is gone, or could not be made. The next call tries again, when it is time.
    Lost(Fault),
    /// The stop was said and the goodbye sent: there will be no more news.
    Stopped,
}

/// A connection that is made again whenever it is lost.
pub struct ReconnectingSocket<'a> {
    /// The source's name, for the log.
    name: &'a str,
    address: &'a Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    habits: &'a ConnectionConfig,
    stop: &'a Stop,
    open: Option<(Connection, Instant)>,
    pace: ReconnectPace,
    /// Before the next try.
    wait: Duration,
}

impl<'a> ReconnectingSocket<'a> {
    /// Touches no network yet. `tls` is needed where the address is secure.
    pub fn new(
        name: &'a str,
        address: &'a Address,
        tls: Option<Arc<rustls::ClientConfig>>,
        habits: &'a ConnectionConfig,
        stop: &'a Stop,
    ) -> Self {
        let pace = ReconnectPace::new(habits.retry);
        Self { name, address, tls, habits, stop, open: None, pace, wait: Duration::ZERO }
    }

    /// Waits for what happens next: for frames, for the time of the next try, for the stop.
    pub async fn next(&mut self) -> News {
        // Connecting is rare and its future is large: boxed, it does not weigh on every frame.
        let Some((connection, since)) = &mut self.open else { return Box::pin(self.connect()).await };
        match unless_stopped(self.stop, connection.next()).await {
            Some(Ok(Heard::Text(text))) => News::Text(text),
            Some(Ok(Heard::Binary)) => News::Binary,
            Some(Ok(Heard::Standing)) => News::Standing,
            Some(Err(fault)) => {
                self.wait = self.pace.after_loss(since.elapsed());
                self.open = None;
                News::Lost(self.lost(fault))
            }
            None => {
                self.close().await;
                News::Stopped
            }
        }
    }

    /// Says one message of at most [`LONGEST_MESSAGE`] bytes. None where nobody is there to hear it, or the stop came first;
    /// what fails costs the connection, as if it had been lost.
    pub async fn say(&mut self, text: &str) -> Option<Result<(), Fault>> {
        let (connection, since) = self.open.as_mut()?;
        let said = self.stop.or(connection.say(text)).await?;
        let stood = since.elapsed();
        Some(said.map_err(|fault| {
            self.wait = self.pace.after_loss(stood);
            self.open = None;
            self.lost(fault)
        }))
    }

    /// The peer let us in and then said that it does not want our credentials: hang up, and come back much later.
    pub async fn hang_up_refused(&mut self, said: String) -> Fault {
        self.close().await;
        self.lost(Fault::new(REFUSED, said))
    }

    async fn connect(&mut self) -> News {
        let wait = std::mem::take(&mut self.wait);
        let opened = async {
            tokio::time::sleep(wait).await;
            Connection::open(self.address, self.tls.clone(), self.habits).await
        };
        match Box::pin(self.stop.or(opened)).await {
            None => News::Stopped,
            Some(Ok(connection)) => {
                info!(source = self.name, address = %self.address, "Connected");
                self.open = Some((connection, Instant::now()));
                News::Open
            }
            Some(Err(fault)) => {
                self.wait = self.pace.after_failure();
                News::Lost(self.lost(fault))
            }
        }
    }

    fn lost(&mut self, fault: Fault) -> Fault {
        let (source, address) = (self.name, self.address);
        if fault.reason() == REFUSED {
            self.wait = self.habits.refused;
            let again = print_duration(self.wait);
            error!(source, %address, %fault, "authentication was refused, check the credentials; next try in {again}");
        } else {
            let again = print_duration(self.wait);
            warn!(source, %address, reason = fault.reason(), %fault, "not connected; next try in {again}");
        }
        fault
    }

    async fn close(&mut self) {
        if let Some((connection, _)) = self.open.take() {
            connection.close().await;
        }
    }
}

/// As [`Stop::or`], but where `work` need not wait it costs nothing to have asked: for what is done for every frame.
pub async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    if stop.is_triggered() {
        return None;
    }
    let mut work = pin!(work);
    match poll!(work.as_mut()) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => stop.or(work).await,
    }
}
