//! The disk fills up in the middle of it all, and has room again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{BATCH, Story};
use crate::daemon::{Daemon, LIMIT};
use crate::disk::SmallDisk;

/// More than a whole ledger needs.
const MIB: u32 = 96;
/// What a limit to the size of files leaves to grow.
const ROOM_KIB: u64 = 64;

pub(super) enum Disk {
    Small(SmallDisk),
    /// Where nothing may be mounted: from its next start on, the daemon finds no file that could grow.
    Limit,
}

impl Disk {
    /// Under the state folder of a daemon that has not started yet.
    pub(super) fn of(daemon: &Daemon) -> Self {
        SmallDisk::mount(&daemon.folder.path().join("state"), MIB).map_or(Self::Limit, Self::Small)
    }

    /// True where only the next start of the daemon will notice.
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

/// Waits until the admin API says that the daemon is (or is not) ready.
pub(super) async fn until_ready(daemon: &Daemon, ready: bool, seed: u64) {
    let limit = Instant::now() + LIMIT;
    while (daemon.admin("/-/ready").await.0 == 200) != ready {
        assert!(Instant::now() < limit, "never ready = {ready}, seed {seed}:\n{}", daemon.log());
        sleep(Duration::from_millis(5)).await;
    }
}

impl Story<'_> {
    /// One more batch, for which there is no room; and a kill then, or room again and no kill.
    pub(super) async fn fill_the_disk_in_a_batch(&mut self) {
        let (before, told) = (self.said.len(), self.told());
        if self.disk.fill(&mut self.daemon) {
            self.down().await;
            self.daemon.start_without_room().await;
        }
        while self.daemon.admin("/-/ready").await.0 == 200 {
            // What a file has grown to before holds some of it.
            assert!(self.said.len() < before + 20 * BATCH, "never full, seed {}:\n{}", self.seed, self.daemon.log());
            self.said.say_many(&self.world.tutum, BATCH / 2);
            sleep(Duration::from_millis(100)).await;
        }
        let (latest, killed) = (self.daemon.latest_held(), fastrand::bool());
        if killed {
            self.down().await;
        }
        let down = self.disk.free(&mut self.daemon);
        if down && !killed {
            self.down().await;
        }
        if down || killed {
            // What was said while no verdict could be written, nobody remembers.
            self.lapses += 1;
            for (sink, told) in told {
                let now = self.told().get(sink).copied().unwrap_or(told);
                *self.doubtful.entry(sink.to_owned()).or_default() += now - told;
            }
            self.daemon.start_again().await;
        }
        until_ready(&self.daemon, true, self.seed).await;
        println!("the disk was full with {latest:?} of {} accepted, killed then: {killed}", self.said.len());
        if !(down || killed) {
            // Nothing was lost on the way in, either: the stream was only not read.
            self.until_held(self.said.len() - 1).await;
            self.due.extend(before..self.said.len());
        }
    }

    /// How much every sink has taken.
    fn told(&self) -> HashMap<&'static str, usize> {
        self.world.arrived().into_iter().map(|arrived| (arrived.sink, arrived.numbers.len())).collect()
    }

    async fn until_held(&self, last: usize) {
        let limit = Instant::now() + LIMIT;
        while self.daemon.latest_held() != Some(last) {
            assert!(Instant::now() < limit, "{last} is never accepted, seed {}:\n{}", self.seed, self.daemon.log());
            sleep(Duration::from_millis(5)).await;
        }
    }
}
