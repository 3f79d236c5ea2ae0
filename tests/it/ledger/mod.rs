//! The ledger: every delivery is accounted for, whatever the receivers, the roads and the process itself go through.

mod account;
mod full;
mod posts;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tidings::demo::standins::{GoogleChat, Mix, PagerDuty, Slack, Trouble, Tutum};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use self::account::{Arrived, SERVICE_EVERY, SERVICES, Spanned, add_doubtful};
use self::full::Disk;
use crate::daemon::{Daemon, LIMIT, seed, sqlite};

/// Each of them goes to three sinks.
const EVENTS: usize = 7_000;
const BATCH: usize = 340;
const KILLS: usize = 20;
/// A kill that falls while less than this is pending proves little.
const PILE: u64 = 250;
/// Posts under way at the same time, to a sink that allows it.
const AT_ONCE: usize = 8;
const OUTAGE: Duration = Duration::from_secs(10);
/// For everything that is still pending after the last kill.
const LAST_LIMIT: Duration = Duration::from_secs(120);

struct World {
    tutum: Tutum,
    ops: Slack,
    dev: Slack,
    room: GoogleChat,
    oncall: PagerDuty,
}

impl World {
    async fn start() -> Self {
        Self {
            tutum: Tutum::start().await.expect("loopback"),
            ops: Slack::start().await.expect("loopback"),
            dev: Slack::start().await.expect("loopback"),
            room: GoogleChat::start().await.expect("loopback"),
            oncall: PagerDuty::start().await.expect("loopback"),
        }
    }

    fn config(&self) -> String {
        let habits = "rate = \"none\"\nretry = { first = \"10ms\", max = \"100ms\" }";
        format!(
            r#"
            [daemon]
            listen = "127.0.0.1:0"
            admin = "127.0.0.1:0"
            [source.tutum.prod]
            user = "{}"
            token = "{}"
            url = "{}"
            api = "{}"
            retry = {{ first = "10ms", max = "50ms" }}
            [sink.slack.ops]
            webhook = "{}"
            concurrency = {AT_ONCE}
            {habits}
            [sink.slack.dev]
            webhook = "{}"
            concurrency = {AT_ONCE}
            {habits}
            [sink.google-chat.room]
            webhook = "{}"
            {habits}
            [sink.pagerduty.oncall]
            key = "{}"
            url = "{}"
            {habits}
            [[relay]]
            name = "all"
            from = "prod"
            match = {{ type = "*" }}
            text = "{{{{ data.n }}}}"
            to = ["ops", "dev", "room"]
            [[relay]]
            name = "pages"
            from = "prod"
            match = {{ type = "service.*" }}
            text = "{{{{ data.n }}}}"
            signal = "{{{{ 'trigger' if data.action == 'fail' else 'resolve' }}}}"
            to = "oncall"
            "#,
            self.tutum.credentials().user,
            self.tutum.credentials().token,
            self.tutum.stream.url(),
            self.tutum.api.url(),
            self.ops.url(),
            self.dev.url(),
            self.room.url(),
            self.oncall.key(),
            self.oncall.url(),
        )
    }

    /// The faults of a bad day, other ones for each sink, the same ones for the same seed.
    fn trouble(&self, seed: u64) {
        let mix = |at: u64, latency| {
            let latency = Duration::from_millis(latency);
            let (p500, p429, retry_after) = (0.05, 0.002, Some(1));
            let (p_reset_before, p_reset_after) = (0.02, 0.01);
            Mix { p500, p429, retry_after, p_reset_before, p_reset_after, latency, seed: seed.wrapping_add(at) }
        };
        self.ops.mix(mix(1, 1));
        self.dev.mix(mix(2, 20));
        self.room.mix(mix(3, 0));
        self.oncall.mix(mix(4, 0));
    }

    fn arrived(&self) -> [Arrived; 4] {
        // What was not answered is marked when it is sent again, on a line of its own.
        let number = |text: &String| text.lines().next().and_then(|line| line.parse().ok()).expect("a number");
        let texts = |slack: &Slack| slack.posts().iter().map(|post| number(&post.text)).collect();
        let said = self.room.posts().iter().map(|said| number(&said.text)).collect();
        let summaries = self.oncall.alerts();
        let summaries = summaries.iter().map(|alert| number(alert.summary.as_ref().expect("a summary"))).collect();
        [
            Arrived::new("ops", texts(&self.ops), self.ops.attempts()),
            Arrived::new("dev", texts(&self.dev), self.dev.attempts()),
            Arrived::new("room", said, self.room.attempts()),
            Arrived::new("oncall", summaries, self.oncall.attempts()),
        ]
    }

    fn offences(&self) -> Vec<String> {
        let sinks = [self.ops.offences(), self.dev.offences(), self.room.offences(), self.oncall.offences()];
        [sinks.concat(), self.tutum.offences()].concat()
    }
}

/// A daemon in this world, and the account so far.
struct Story<'w> {
    world: &'w World,
    disk: Disk,
    daemon: Daemon,
    seed: u64,
    said: Spanned,
    /// What has been accepted, and so must arrive.
    due: HashSet<usize>,
    /// How much may come twice, for each sink.
    doubtful: HashMap<String, usize>,
    /// Kills before which no verdict could be written.
    lapses: usize,
}

impl<'w> Story<'w> {
    async fn begin(world: &'w World, seed: u64) -> Self {
        let mut daemon = Daemon::prepare(&world.config(), &[]);
        let disk = Disk::of(&daemon);
        daemon.start_again().await;
        world.tutum.stream.hold(true);
        Self {
            world,
            disk,
            daemon,
            seed,
            said: Spanned::default(),
            due: HashSet::new(),
            doubtful: HashMap::new(),
            lapses: 0,
        }
    }

    /// One more batch, and a kill at a random moment of it.
    async fn kill_in_a_batch(&mut self) {
        self.said.say_many(&self.world.tutum, BATCH);
        self.random_moment().await;
        self.kill().await;
    }

    async fn kill(&mut self) {
        self.down().await;
        assert!(self.daemon.pending() >= PILE / 2, "the kill fell while a pile was pending, seed {}", self.seed);
        self.daemon.start_again().await;
    }

    /// SIGKILL, and a look into the file.
    async fn down(&mut self) {
        self.daemon.kill().await;
        self.due.extend(self.daemon.held());
        add_doubtful(&mut self.doubtful, &self.daemon);
    }

    /// While the batch comes in, or while its pile shrinks.
    async fn random_moment(&self) {
        let some_of_it = self.said.len() - fastrand::usize(1..BATCH);
        let limit = Instant::now() + LIMIT;
        while self.daemon.latest_held().is_none_or(|latest| latest < some_of_it) || self.daemon.pending() < PILE {
            assert!(Instant::now() < limit, "never {PILE} pending:\n{}", self.daemon.log());
            sleep(Duration::from_millis(1)).await;
        }
        if fastrand::bool() {
            return;
        }
        self.world.tutum.stream.read_up(LIMIT).await.expect("everything was read");
        let (few, patience) = (fastrand::u64(PILE..3 * PILE), Duration::from_millis(fastrand::u64(500..2000)));
        let limit = Instant::now() + patience;
        while self.daemon.pending() > few && Instant::now() < limit {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// `more` events that no kill can take from the wire, and all's well: after that, everything arrives.
    async fn end(mut self, more: usize) {
        let Self { world, seed, .. } = self;
        println!("{} said, {} accepted before a kill", self.said.len(), self.due.len());
        let last = self.said.len();
        self.said.say_many(&world.tutum, more);
        for service in 0..SERVICES {
            self.said.say(&world.tutum, "service", service, "recover");
        }
        self.due.extend(last..self.said.len());
        let daemon = &mut self.daemon;
        let limit = Instant::now() + LAST_LIMIT;
        while daemon.latest_held() != Some(self.said.len() - 1) || daemon.pending() > 0 {
            assert!(Instant::now() < limit, "{} still pending, seed {seed}:\n{}", daemon.pending(), daemon.log());
            sleep(Duration::from_millis(50)).await;
        }
        let pages: HashSet<_> = self.due.iter().copied().filter(|n| self.said.is_page(*n)).collect();
        for arrived in world.arrived() {
            let due = if arrived.sink == "oncall" { &pages } else { &self.due };
            let doubtful = self.doubtful.get(arrived.sink).copied().unwrap_or(0);
            arrived.check(&self.said, due, doubtful, self.lapses, seed);
        }
        assert_eq!(world.oncall.open_keys(), [""; 0], "everything was resolved, seed {seed}");
        assert_eq!(world.offences(), [""; 0]);
        assert!(daemon.stop().await.success());
        let unsent = sqlite(&daemon.state_file(), "select count(*) from delivery where state <> 1");
        assert_eq!(unsent, "0", "none was buried, seed {seed}");
        assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_delivery_of_a_storm_is_accounted_for_through_faults_kills_an_outage_and_a_full_disk() {
    let seed = seed();
    let world = World::start().await;
    world.trouble(seed);
    let mut story = Story::begin(&world, seed).await;
    let (half_way, told) = oneshot::channel();
    let kills = async {
        for _ in 0..KILLS / 2 {
            story.kill_in_a_batch().await;
        }
        half_way.send(()).expect("the outage waits for it");
        story.fill_the_disk_in_a_batch().await;
        for _ in KILLS / 2..KILLS {
            story.kill_in_a_batch().await;
        }
    };
    let outage = async {
        told.await.expect("the story comes to it");
        world.dev.go_down().await;
        sleep(OUTAGE).await;
        world.dev.come_back().await.expect("its port is still free");
    };
    tokio::join!(kills, outage);
    // The outage, too, broke off whatever was under way.
    *story.doubtful.entry("dev".to_owned()).or_default() += AT_ONCE;
    assert!(story.due.len() >= story.said.len() / 2, "most of the stream was accepted, seed {seed}");
    // What a kill took from the wire nobody had accepted; the rest makes up for it.
    let more = EVENTS.saturating_sub(story.due.len());
    story.end(more).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_repeats_no_more_than_was_under_way_however_fast_the_receiver() {
    let seed = seed();
    let world = World::start().await;
    let mut story = Story::begin(&world, seed).await;
    for _ in 0..5 {
        story.said.say_many(&world.tutum, 3 * BATCH);
        let last = story.said.len() - 1;
        world.tutum.stream.read_up(LIMIT).await.expect("everything was read");
        let limit = Instant::now() + LIMIT;
        while story.daemon.latest_held() != Some(last) {
            assert!(Instant::now() < limit, "never accepted:\n{}", story.daemon.log());
        }
        // From here on nothing but verdicts is written, and no commit of events brings them to disk by the way.
        sleep(Duration::from_millis(fastrand::u64(20..100))).await;
        story.kill().await;
    }
    story.end(0).await;
}

#[tokio::test]
async fn a_dead_sink_and_a_mute_one_delay_no_healthy_one() {
    const MANY: usize = 1_000;
    let world = World::start().await;
    world.dev.go_down().await;
    world.ops.fail_with(std::iter::repeat_n(Trouble::Stall, 100));
    let daemon = Daemon::start(&world.config(), &[]).await;
    let mut said = Spanned::default();
    said.say_many(&world.tutum, MANY);
    let all: Vec<_> = (0..MANY).collect();
    world.room.wait_for(MANY, LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    world.oncall.wait_for(MANY / SERVICE_EVERY, LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    let [ops, dev, room, oncall] = world.arrived();
    assert_eq!(room.numbers, all, "the healthy one has all of them, once, in order");
    assert_eq!((ops.numbers.len(), dev.numbers.len()), (0, 0), "while the others have none");
    assert!(oncall.numbers.is_sorted(), "and so has the pager");
    let waiting = "select count(*) from delivery where state = 0 and sink in ('dev', 'ops')";
    assert_eq!(sqlite(&daemon.state_file(), waiting), (2 * MANY).to_string(), "but nothing is lost");

    world.dev.come_back().await.expect("its port is still free");
    world.dev.wait_for(MANY, LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    let [_, dev, ..] = world.arrived();
    dev.check(&said, &all.into_iter().collect(), 0, 0, 0);
}
