//! Every answer of the listener is true: ten thousand posts, 32 at a time, while the daemon is killed repeatedly and its
//! disk fills up. What was accepted is delivered, what was refused is not, and what was not answered is one or the other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, stream};
use tidings::demo::standins::{GoogleChat, Slack};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::account::add_doubtful;
use super::full::{Disk, until_ready};
use super::senders::{Behavior, Defect, KEY, MAX_BODY, Posted, Senders};
use super::{AT_ONCE, LAST_LIMIT};
use crate::daemon::{Daemon, client, seed, sqlite};
use crate::google_chat;
use crate::slack;

const POSTS: usize = 10_000;
const AT_A_TIME: usize = 32;
const KILLS: usize = 6;
/// Answers of 500 and above while the disk is full, before it has room again.
const REFUSED: usize = 200;

/// The daemon that receives the posts, and what happens to it.
struct Run<'s> {
    senders: &'s Senders,
    ops: &'s Slack,
    room: &'s GoogleChat,
    disk: Disk,
    daemon: Daemon,
    doubtful: HashMap<String, usize>,
    seed: u64,
}

impl Run<'_> {
    /// Six kills at random moments among the posts, and a full disk after the fourth.
    async fn kill_repeatedly(&mut self) {
        for kill in 0..KILLS {
            let part = POSTS / (KILLS + 1);
            self.wait(&self.senders.done, part * (kill + 1) - fastrand::usize(..part / 2)).await;
            self.down().await;
            self.up().await;
            if kill == KILLS / 2 {
                self.full_disk().await;
            }
        }
    }

    async fn full_disk(&mut self) {
        let delivered = self.delivered();
        if self.disk.fill(&mut self.daemon) {
            self.down().await;
            self.daemon.start_on_full_disk().await;
            self.announce_listener();
        }
        let before = self.senders.server_errors.load(Ordering::Relaxed);
        self.wait(&self.senders.server_errors, before + REFUSED).await;
        if self.disk.free(&mut self.daemon) {
            self.down().await;
            // What was delivered while no verdict could be stored is delivered again.
            for (now, (sink, before)) in self.delivered().into_iter().zip(delivered) {
                *self.doubtful.entry(sink.to_owned()).or_default() += now.1 - before;
            }
            self.up().await;
        }
        until_ready(&self.daemon, true, self.seed).await;
    }

    /// Kills it while posts are being sent.
    async fn down(&mut self) {
        // Another process may get the port, so no client may use the address any more.
        self.senders.listener.send_replace(None);
        self.daemon.kill().await;
        add_doubtful(&mut self.doubtful, &self.daemon);
    }

    async fn up(&mut self) {
        self.daemon.start_again().await;
        self.announce_listener();
    }

    fn announce_listener(&self) {
        self.senders.listener.send_replace(Some(self.daemon.listener_url()));
    }

    fn delivered(&self) -> [(&'static str, usize); 2] {
        [("ops", self.ops.log().entries().len()), ("room", self.room.log().entries().len())]
    }

    async fn wait(&self, count: &AtomicUsize, wanted: usize) {
        let limit = Instant::now() + LAST_LIMIT;
        while count.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < limit, "never {wanted}, seed {}:\n{}", self.seed, self.daemon.log());
            sleep(Duration::from_millis(1)).await;
        }
    }
}

fn config(ops: &Slack, room: &GoogleChat) -> String {
    let fast = "rate = \"none\"\nretry = { first = \"10ms\", max = \"100ms\" }";
    format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [source.webhook.shop]
        verify = {{ standard_webhooks = "whsec_{}" }}
        max_body = "{MAX_BODY}B"
        type = "{{{{ data.kind }}}}"
        [sink.slack.ops]
        webhook = "{}"
        concurrency = {AT_ONCE}
        {fast}
        [sink.google-chat.room]
        webhook = "{}"
        {fast}
        [[relay]]
        name = "all"
        text = "{{{{ data.n }}}}"
        to = ["ops", "room"]
        "#,
        BASE64_STANDARD.encode(KEY),
        ops.url(),
        room.url(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_post_is_true_through_kills_and_a_full_disk() {
    let seed = seed();
    let (ops, room) = (slack::start(), google_chat::start());
    let mut daemon = Daemon::prepare(&config(&ops, &room), &[]);
    let disk = Disk::of(&daemon);
    daemon.start_again().await;
    let (done, server_errors) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let senders =
        Senders { http: client(), listener: watch::Sender::new(Some(daemon.listener_url())), done, server_errors };
    let mut run = Run { senders: &senders, ops: &ops, room: &room, disk, daemon, doubtful: HashMap::new(), seed };
    let behaviors: Vec<_> = (0..POSTS).map(|n| (n, Behavior::draw())).collect();
    let sending = stream::iter(behaviors).map(|(n, behavior)| senders.send(n, behavior)).buffer_unordered(AT_A_TIME);
    let (posted, ()) = tokio::join!(sending.collect::<Vec<_>>(), run.kill_repeatedly());

    let Run { mut daemon, doubtful, .. } = run;
    let limit = Instant::now() + LAST_LIMIT;
    while daemon.pending() > 0 {
        assert!(Instant::now() < limit, "{} still pending, seed {seed}:\n{}", daemon.pending(), daemon.log());
        sleep(Duration::from_millis(20)).await;
    }
    let stored = stored_once(&daemon, seed);
    check_answers(&posted, &stored, seed);
    let number = |text: &str| text.lines().next().and_then(|line| line.parse().ok()).expect("a number");
    let delivered: [(_, Vec<usize>); 2] = [
        ("ops", ops.posts().iter().map(|post| number(&post.text)).collect()),
        ("room", room.posts().iter().map(|post| number(&post.text)).collect()),
    ];
    for (sink, numbers) in delivered {
        let bound = doubtful.get(sink).copied().unwrap_or(0);
        let once: HashSet<_> = numbers.iter().copied().collect();
        let twice = numbers.len() - once.len();
        println!("{sink}: {} delivered, {twice} of them twice (at most {bound} may be)", once.len());
        assert!(
            once == stored,
            "{sink}: delivered is not what was accepted, seed {seed}: {:?}",
            once.symmetric_difference(&stored)
        );
        assert!(twice <= bound, "{sink}: {twice} were delivered twice, more than {bound}, seed {seed}");
    }
    assert_eq!([ops.offences(), room.offences()].concat(), [""; 0]);
    assert!(daemon.stop().await.success(), "{}", daemon.log());
    assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
}

/// The events in the state file. None is in it twice, however often it was posted.
fn stored_once(daemon: &Daemon, seed: u64) -> HashSet<usize> {
    let stored = daemon.stored();
    let once: HashSet<_> = stored.iter().copied().collect();
    assert_eq!(stored.len(), once.len(), "an event is stored twice, seed {seed}");
    once
}

/// Compares every answer with the state file.
fn check_answers(posted: &[Posted], stored: &HashSet<usize>, seed: u64) {
    let (mut answers, mut accepted, mut unanswered, mut of_these_stored) = (BTreeMap::<u16, usize>::new(), 0, 0, 0);
    assert_eq!(posted.len(), POSTS, "every client ended");
    for one in posted {
        one.answers.iter().for_each(|status| *answers.entry(*status).or_default() += 1);
        let is_stored = stored.contains(&one.n);
        if one.is_accepted() {
            accepted += 1;
            assert!(is_stored, "accepted and lost, seed {seed}: {one:?}");
        } else if one.unanswered > 0 && !matches!(one.behavior, Behavior::Invalid(_)) {
            unanswered += 1;
            of_these_stored += usize::from(is_stored);
        } else {
            assert!(!is_stored, "refused and stored, seed {seed}: {one:?}");
        }
        match one.behavior {
            Behavior::Invalid(defect) => {
                let last = one.answers.last().copied();
                assert!(last == Some(defect.status()) && !one.is_accepted(), "seed {seed}: {one:?}");
            }
            Behavior::Persistent | Behavior::Repeating => assert!(one.is_accepted(), "seed {seed}: {one:?}"),
            Behavior::Once => {}
        }
    }
    let interrupted: u32 = posted.iter().map(|one| one.unanswered).sum();
    println!(
        "{accepted} accepted, {unanswered} never answered ({of_these_stored} of these stored), {interrupted} interrupted, answers {answers:?}"
    );
    assert!(
        interrupted > 0 && answers.contains_key(&503),
        "posts were sent during the kills and the full disk, seed {seed}"
    );
    for defect in Defect::ALL {
        assert!(answers.contains_key(&defect.status()), "{defect:?} was tried, seed {seed}");
    }
}
