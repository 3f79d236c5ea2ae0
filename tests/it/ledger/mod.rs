//! The ledger: every delivery is accounted for, whatever fails: receivers, connections, the disk, the daemon itself.

mod account;
mod full;
mod posts;
mod senders;
mod services;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tidings::demo::standins::InjectedFault;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use self::account::{SERVICE_EVERY, SERVICES, SentEvents, add_doubtful};
use self::full::Disk;
use self::services::Services;
use crate::daemon::{Daemon, LIMIT, seed, sqlite};
use crate::pagerduty;

/// Each is delivered to three sinks.
const EVENTS: usize = 7_000;
const BATCH: usize = 340;
const KILLS: usize = 20;
/// A kill with fewer pending deliveries proves little.
const MANY_PENDING: u64 = 250;
/// The `concurrency` of the sinks that allow it.
const AT_ONCE: usize = 8;
const OUTAGE: Duration = Duration::from_secs(10);
/// For everything that is pending after the last kill.
const LAST_LIMIT: Duration = Duration::from_secs(120);

/// A daemon among its services, and the account so far.
struct Run<'s> {
    services: &'s Services,
    disk: Disk,
    daemon: Daemon,
    seed: u64,
    sent: SentEvents,
    /// What was accepted, and so must arrive.
    due: HashSet<usize>,
    /// How many messages may arrive twice, for each sink.
    doubtful: HashMap<String, usize>,
    /// Kills before which no verdict could be stored.
    kills_without_verdicts: usize,
}

impl<'s> Run<'s> {
    async fn start(services: &'s Services, seed: u64) -> Self {
        let mut daemon = services.daemon();
        let disk = Disk::of(&daemon);
        daemon.start_again().await;
        Self {
            services,
            disk,
            daemon,
            seed,
            sent: SentEvents::default(),
            due: HashSet::new(),
            doubtful: HashMap::new(),
            kills_without_verdicts: 0,
        }
    }

    /// Sends a batch and kills the daemon at a random moment of it.
    async fn kill_in_a_batch(&mut self) {
        self.sent.send_many(&self.services.tutum, BATCH);
        self.random_moment().await;
        self.kill().await;
    }

    async fn kill(&mut self) {
        self.down().await;
        assert!(
            self.daemon.pending() >= MANY_PENDING / 2,
            "many deliveries were pending at the kill, seed {}",
            self.seed
        );
        self.daemon.start_again().await;
    }

    /// SIGKILL; then reads the state file.
    async fn down(&mut self) {
        self.daemon.kill().await;
        self.due.extend(self.daemon.stored());
        add_doubtful(&mut self.doubtful, &self.daemon);
    }

    /// While the batch is read, or while its deliveries are sent.
    async fn random_moment(&self) {
        let some_of_it = self.sent.len() - fastrand::usize(1..BATCH);
        let limit = Instant::now() + LIMIT;
        while self.daemon.latest_stored().is_none_or(|latest| latest < some_of_it)
            || self.daemon.pending() < MANY_PENDING
        {
            assert!(Instant::now() < limit, "never {MANY_PENDING} pending:\n{}", self.daemon.log());
            sleep(Duration::from_millis(1)).await;
        }
        if fastrand::bool() {
            return;
        }
        self.services.tutum.stream.wait_read(LIMIT).await.expect("everything was read");
        let (few, patience) =
            (fastrand::u64(MANY_PENDING..3 * MANY_PENDING), Duration::from_millis(fastrand::u64(500..2000)));
        let limit = Instant::now() + patience;
        while self.daemon.pending() > few && Instant::now() < limit {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends `more` events that no kill interrupts and resolves everything. After that, everything must have arrived.
    async fn end(mut self, more: usize) {
        let Self { services, seed, .. } = self;
        println!("{} sent, {} accepted before a kill", self.sent.len(), self.due.len());
        let last = self.sent.len();
        self.sent.send_many(&services.tutum, more);
        for service in 0..SERVICES {
            self.sent.send(&services.tutum, "service", service, "recover");
        }
        self.due.extend(last..self.sent.len());
        let daemon = &mut self.daemon;
        let limit = Instant::now() + LAST_LIMIT;
        while daemon.latest_stored() != Some(self.sent.len() - 1) || daemon.pending() > 0 {
            assert!(Instant::now() < limit, "{} still pending, seed {seed}:\n{}", daemon.pending(), daemon.log());
            sleep(Duration::from_millis(50)).await;
        }
        let pages: HashSet<_> = self.due.iter().copied().filter(|n| self.sent.is_page(*n)).collect();
        for arrived in services.arrived() {
            let due = if arrived.sink == "oncall" { &pages } else { &self.due };
            let doubtful = self.doubtful.get(arrived.sink).copied().unwrap_or(0);
            arrived.check(&self.sent, due, doubtful, self.kills_without_verdicts, seed);
        }
        assert_eq!(pagerduty::open_keys(&services.oncall), [""; 0], "everything was resolved, seed {seed}");
        assert_eq!(services.offences(), [""; 0]);
        assert!(daemon.stop().await.success());
        let unsent = sqlite(&daemon.state_file(), "select count(*) from delivery where state <> 1");
        assert_eq!(unsent, "0", "no dead letters, seed {seed}");
        assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_delivery_of_a_storm_is_accounted_for_through_faults_kills_an_outage_and_a_full_disk() {
    let seed = seed();
    let services = Services::start();
    services.inject_faults(seed);
    let mut run = Run::start(&services, seed).await;
    let (half_way, is_half_way) = oneshot::channel();
    let kills = async {
        for _ in 0..KILLS / 2 {
            run.kill_in_a_batch().await;
        }
        half_way.send(()).expect("the outage waits for it");
        run.fill_the_disk_in_a_batch().await;
        for _ in KILLS / 2..KILLS {
            run.kill_in_a_batch().await;
        }
    };
    let outage = async {
        is_half_way.await.expect("half of the kills are done");
        services.dev.go_down().await;
        sleep(OUTAGE).await;
        services.dev.come_back().await.expect("its port is still free");
    };
    tokio::join!(kills, outage);
    // The outage, too, interrupted what was being sent.
    *run.doubtful.entry("dev".to_owned()).or_default() += AT_ONCE;
    assert!(run.due.len() >= run.sent.len() / 2, "most of the stream was accepted, seed {seed}");
    // What a kill interrupted was not accepted; the rest makes up for it.
    let more = EVENTS.saturating_sub(run.due.len());
    run.end(more).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_repeats_no_more_than_was_being_sent_however_fast_the_receiver() {
    let seed = seed();
    let services = Services::start();
    let mut run = Run::start(&services, seed).await;
    for _ in 0..5 {
        run.sent.send_many(&services.tutum, 3 * BATCH);
        let last = run.sent.len() - 1;
        services.tutum.stream.wait_read(LIMIT).await.expect("everything was read");
        let limit = Instant::now() + LIMIT;
        while run.daemon.latest_stored() != Some(last) {
            assert!(Instant::now() < limit, "never accepted:\n{}", run.daemon.log());
        }
        // From here on only verdicts are stored, and no commit of events includes them.
        sleep(Duration::from_millis(fastrand::u64(20..100))).await;
        run.kill().await;
    }
    run.end(0).await;
}

#[tokio::test]
async fn a_dead_sink_and_one_that_does_not_answer_delay_no_other() {
    const MANY: usize = 1_000;
    let services = Services::start();
    services.dev.go_down().await;
    services.ops.fail_with(std::iter::repeat_n(InjectedFault::Stall, 100));
    let mut daemon = services.daemon();
    daemon.start_again().await;
    let mut sent = SentEvents::default();
    sent.send_many(&services.tutum, MANY);
    let all: Vec<_> = (0..MANY).collect();
    services.room.wait_for(MANY, LIMIT).await.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    services
        .oncall
        .wait_for(MANY / SERVICE_EVERY, LIMIT)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    let [ops, dev, room, oncall] = services.arrived();
    assert_eq!(room.numbers, all, "the working sink has all of them, once, in order");
    assert_eq!((ops.numbers.len(), dev.numbers.len()), (0, 0), "the others have none");
    assert!(oncall.numbers.is_sorted(), "the pager, too");
    let pending = "select count(*) from delivery where state = 0 and sink in ('dev', 'ops')";
    assert_eq!(sqlite(&daemon.state_file(), pending), (2 * MANY).to_string(), "nothing is lost");

    services.dev.come_back().await.expect("its port is still free");
    services.dev.wait_for(MANY, LIMIT).await.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    let [_, dev, ..] = services.arrived();
    dev.check(&sent, &all.into_iter().collect(), 0, 0, 0);
}
