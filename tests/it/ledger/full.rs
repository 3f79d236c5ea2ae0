//! The disk fills up during the ledger's run and has room again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{BATCH, Run};
use crate::daemon::{Daemon, LIMIT};
use crate::disk::SmallDisk;

/// More than a whole run needs.
const MIB: u32 = 96;
/// How much a file may still grow under the limit of file sizes.
const ROOM_KIB: u64 = 64;

pub(super) enum Disk {
    Small(SmallDisk),
    /// Where nothing may be mounted: from its next start on, the daemon has a limit for the size of files.
    Limit,
}

impl Disk {
    /// For the state folder of a daemon that was not started yet.
    pub(super) fn of(daemon: &Daemon) -> Self {
        SmallDisk::mount(&daemon.folder.path().join("state"), MIB).map_or(Self::Limit, Self::Small)
    }

    /// True if it takes effect at the next start of the daemon.
    pub(super) fn fill(&self, daemon: &mut Daemon) -> bool {
        match self {
            Self::Small(disk) => {
                disk.fill();
                false
            }
            Self::Limit => {
                let size = std::fs::metadata(daemon.state_file()).map_or(0, |file| file.len());
                daemon.limit_file_size(Some((size >> 10) + ROOM_KIB));
                true
            }
        }
    }

    pub(super) fn free(&self, daemon: &mut Daemon) -> bool {
        match self {
            Self::Small(disk) => {
                disk.free();
                false
            }
            Self::Limit => {
                daemon.limit_file_size(None);
                true
            }
        }
    }
}

/// Waits until the daemon is ready, or is not ready.
pub(super) async fn until_ready(daemon: &Daemon, ready: bool, seed: u64) {
    let limit = Instant::now() + LIMIT;
    while (daemon.admin("/-/ready").await.0 == 200) != ready {
        assert!(Instant::now() < limit, "never ready = {ready}, seed {seed}:\n{}", daemon.log());
        sleep(Duration::from_millis(5)).await;
    }
}

impl Run<'_> {
    /// Sends a batch for which there is no room. Then either a kill, or room again without a kill.
    pub(super) async fn fill_the_disk_in_a_batch(&mut self) {
        let (before, delivered) = (self.sent.len(), self.delivered());
        if self.disk.fill(&mut self.daemon) {
            self.down().await;
            self.daemon.start_on_full_disk().await;
        }
        while self.daemon.admin("/-/ready").await.0 == 200 {
            // The space that the file already has holds some events.
            assert!(self.sent.len() < before + 20 * BATCH, "never full, seed {}:\n{}", self.seed, self.daemon.log());
            self.sent.send_many(&self.services.tutum, BATCH / 2);
            sleep(Duration::from_millis(100)).await;
        }
        let (latest, killed) = (self.daemon.latest_stored(), fastrand::bool());
        if killed {
            self.down().await;
        }
        let down = self.disk.free(&mut self.daemon);
        if down && !killed {
            self.down().await;
        }
        if down || killed {
            // What was delivered while no verdict could be stored is delivered again.
            self.kills_without_verdicts += 1;
            for (sink, before) in delivered {
                let now = self.delivered().get(sink).copied().unwrap_or(before);
                *self.doubtful.entry(sink.to_owned()).or_default() += now - before;
            }
            self.daemon.start_again().await;
        }
        until_ready(&self.daemon, true, self.seed).await;
        println!("the disk was full with {latest:?} of {} accepted, killed then: {killed}", self.sent.len());
        if !(down || killed) {
            // Nothing was lost on the way in: the daemon only stopped reading the stream.
            self.until_stored(self.sent.len() - 1).await;
            self.due.extend(before..self.sent.len());
        }
    }

    /// How many messages every sink has received.
    fn delivered(&self) -> HashMap<&'static str, usize> {
        self.services.arrived().into_iter().map(|arrived| (arrived.sink, arrived.numbers.len())).collect()
    }

    async fn until_stored(&self, last: usize) {
        let limit = Instant::now() + LIMIT;
        while self.daemon.latest_stored() != Some(last) {
            assert!(Instant::now() < limit, "{last} is not accepted, seed {}:\n{}", self.seed, self.daemon.log());
            sleep(Duration::from_millis(5)).await;
        }
    }
}
