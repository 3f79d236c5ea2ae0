//! What the listener's answers are worth: ten thousand posts, 32 at a time, while the daemon is killed again and again and
//! its disk fills up. Whatever a sender was told holds; what it was not told holds one way or the other, and once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;
use tidings::demo::standins::{GoogleChat, Slack};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::account::add_doubtful;
use super::full::{Disk, until_ready};
use super::{AT_ONCE, LAST_LIMIT};
use crate::daemon::{Daemon, client, seed, sqlite};

const POSTS: usize = 10_000;
const AT_A_TIME: usize = 32;
const KILLS: usize = 6;
/// Refusals that a full disk must have caused before it has room again.
const REFUSED: usize = 200;
/// Before a sender that was refused for the moment comes again.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_BODY: usize = 2048;
const KEY: &[u8] = b"a key of twenty-six bytes.";

/// What a sender does, drawn before anything happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// Comes again with the same `webhook-id` until it is told that all is well.
    Stubborn,
    /// Was told so, and comes again all the same.
    Forgetful,
    /// Comes once, whatever it hears, or does not.
    Casual,
    /// Has something that cannot be taken, which the listener must say so.
    Wrong(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    NoJson,
    Signature,
    Place,
    Method,
    Size,
    ContentType,
}

impl Fault {
    const ALL: [Self; 6] = [Self::NoJson, Self::Signature, Self::Place, Self::Method, Self::Size, Self::ContentType];

    fn status(self) -> u16 {
        match self {
            Self::NoJson => 400,
            Self::Signature => 401,
            Self::Place => 404,
            Self::Method => 405,
            Self::Size => 413,
            Self::ContentType => 415,
        }
    }
}

impl Manner {
    fn draw() -> Self {
        match fastrand::u32(..100) {
            0..60 => Self::Stubborn,
            60..65 => Self::Forgetful,
            65..90 => Self::Casual,
            _ => Self::Wrong(Fault::ALL[fastrand::usize(..Fault::ALL.len())]),
        }
    }
}

/// What one sender heard.
#[derive(Debug, Clone)]
struct Heard {
    n: usize,
    manner: Manner,
    answers: Vec<u16>,
    unanswered: u32,
}

impl Heard {
    fn is_accepted(&self) -> bool {
        self.answers.iter().any(|status| (200..300).contains(status))
    }
}

/// Everyone who sends. Where the listener is changes with every start; while nothing stands there, they wait.
struct Senders {
    http: reqwest::Client,
    listener: watch::Sender<Option<String>>,
    done: AtomicUsize,
    refused_by_us: AtomicUsize,
}

impl Senders {
    async fn send(&self, n: usize, manner: Manner) -> Heard {
        let mut heard = Heard { n, manner, answers: Vec::new(), unanswered: 0 };
        let mut again = manner == Manner::Forgetful;
        loop {
            match self.post(n, manner).await {
                Ok(status) => {
                    heard.answers.push(status);
                    self.refused_by_us.fetch_add(usize::from(status >= 500), Ordering::Relaxed);
                    let for_the_moment = status == 429 || status >= 500;
                    if for_the_moment && !matches!(manner, Manner::Casual) {
                        sleep(PAUSE).await;
                    } else if !std::mem::take(&mut again) {
                        break;
                    }
                }
                // Nothing was sent.
                Err(error) if error.is_connect() => sleep(Duration::from_millis(1)).await,
                Err(_) => {
                    heard.unanswered += 1;
                    if manner == Manner::Casual {
                        break;
                    }
                }
            }
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        heard
    }

    async fn post(&self, n: usize, manner: Manner) -> Result<u16, reqwest::Error> {
        let mut listener = self.listener.subscribe();
        let listener = listener.wait_for(Option::is_some).await.expect("we hold it").clone().unwrap_or_default();
        let is = |fault| manner == Manner::Wrong(fault);
        let mut body = json!({ "kind": "order.paid", "n": n }).to_string();
        if is(Fault::NoJson) {
            body.pop();
        }
        if is(Fault::Size) {
            body.insert_str(1, &" ".repeat(MAX_BODY));
        }
        let (id, stamp) = (format!("msg_{n}"), Timestamp::now().as_second().to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any length will do");
        mac.update(format!("{id}.{stamp}.{body}{}", if is(Fault::Signature) { "!" } else { "" }).as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let place = if is(Fault::Place) { "nobody" } else { "shop" };
        let method = if is(Fault::Method) { reqwest::Method::PUT } else { reqwest::Method::POST };
        let reply = self
            .http
            .request(method, format!("{listener}/hooks/{place}"))
            .header("content-type", if is(Fault::ContentType) { "text/plain" } else { "application/json" })
            .header("webhook-id", id)
            .header("webhook-timestamp", stamp)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(body)
            .send()
            .await?;
        let status = reply.status().as_u16();
        // So that the connection can be used again; what was said is known already.
        let _rest = reply.bytes().await;
        Ok(status)
    }
}

/// Where they all go, and what may befall it.
struct House<'s> {
    senders: &'s Senders,
    ops: &'s Slack,
    room: &'s GoogleChat,
    disk: Disk,
    daemon: Daemon,
    doubtful: HashMap<String, usize>,
    seed: u64,
}

impl House<'_> {
    /// Six kills, at moments of their own among the posts, and a full disk after the third.
    async fn go_through_it(&mut self) {
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
        let told = self.told();
        if self.disk.fill(&mut self.daemon) {
            self.down().await;
            self.daemon.start_without_room().await;
            self.show_the_door();
        }
        let before = self.senders.refused_by_us.load(Ordering::Relaxed);
        self.wait(&self.senders.refused_by_us, before + REFUSED).await;
        if self.disk.free(&mut self.daemon) {
            self.down().await;
            // What was said while no verdict could be written, nobody remembers.
            for (now, (sink, told)) in self.told().into_iter().zip(told) {
                *self.doubtful.entry(sink.to_owned()).or_default() += now.1 - told;
            }
            self.up().await;
        }
        until_ready(&self.daemon, true, self.seed).await;
    }

    /// In the middle of whatever is being sent.
    async fn down(&mut self) {
        // Somebody else may get the port: nobody may look for the listener there any more.
        self.senders.listener.send_replace(None);
        self.daemon.kill().await;
        add_doubtful(&mut self.doubtful, &self.daemon);
    }

    async fn up(&mut self) {
        self.daemon.start_again().await;
        self.show_the_door();
    }

    fn show_the_door(&self) {
        self.senders.listener.send_replace(Some(self.daemon.door_url()));
    }

    fn told(&self) -> [(&'static str, usize); 2] {
        [("ops", self.ops.log().len()), ("room", self.room.log().len())]
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
    let habits = "rate = \"none\"\nretry = { first = \"10ms\", max = \"100ms\" }";
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
        {habits}
        [sink.google-chat.room]
        webhook = "{}"
        {habits}
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
async fn every_answer_to_a_post_holds_through_kills_and_a_full_disk() {
    let seed = seed();
    let (ops, room) = (Slack::start().await.expect("loopback"), GoogleChat::start().await.expect("loopback"));
    let mut daemon = Daemon::prepare(&config(&ops, &room), &[]);
    let disk = Disk::of(&daemon);
    daemon.start_again().await;
    let (done, refused_by_us) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let senders =
        Senders { http: client(), listener: watch::Sender::new(Some(daemon.door_url())), done, refused_by_us };
    let mut house = House { senders: &senders, ops: &ops, room: &room, disk, daemon, doubtful: HashMap::new(), seed };
    let manners: Vec<_> = (0..POSTS).map(|n| (n, Manner::draw())).collect();
    let sending = stream::iter(manners).map(|(n, manner)| senders.send(n, manner)).buffer_unordered(AT_A_TIME);
    let (heard, ()) = tokio::join!(sending.collect::<Vec<_>>(), house.go_through_it());

    let House { mut daemon, doubtful, .. } = house;
    let limit = Instant::now() + LAST_LIMIT;
    while daemon.pending() > 0 {
        assert!(Instant::now() < limit, "{} still pending, seed {seed}:\n{}", daemon.pending(), daemon.log());
        sleep(Duration::from_millis(20)).await;
    }
    let held = held_once(&daemon, seed);
    check_answers(&heard, &held, seed);
    let number = |text: &str| text.lines().next().and_then(|line| line.parse().ok()).expect("a number");
    let told: [(_, Vec<usize>); 2] = [
        ("ops", ops.posts().iter().map(|post| number(&post.text)).collect()),
        ("room", room.posts().iter().map(|post| number(&post.text)).collect()),
    ];
    for (sink, numbers) in told {
        let bound = doubtful.get(sink).copied().unwrap_or(0);
        let once: HashSet<_> = numbers.iter().copied().collect();
        let twice = numbers.len() - once.len();
        println!("{sink}: {} told, {twice} of them twice (at most {bound} may)", once.len());
        assert!(
            once == held,
            "{sink}: told is not what was accepted, seed {seed}: {:?}",
            once.symmetric_difference(&held)
        );
        assert!(twice <= bound, "{sink}: {twice} came twice, more than {bound}, seed {seed}");
    }
    assert_eq!([ops.offences(), room.offences()].concat(), [""; 0]);
    assert!(daemon.stop().await.success(), "{}", daemon.log());
    assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
}

/// What the state file holds. Nobody's event is in it twice, however often they came with it.
fn held_once(daemon: &Daemon, seed: u64) -> HashSet<usize> {
    let held = daemon.held();
    let once: HashSet<_> = held.iter().copied().collect();
    assert_eq!(held.len(), once.len(), "an event is held twice, seed {seed}");
    once
}

/// Every answer against what the state file holds.
fn check_answers(heard: &[Heard], held: &HashSet<usize>, seed: u64) {
    let (mut answers, mut accepted, mut unanswered, mut of_these) = (BTreeMap::<u16, usize>::new(), 0, 0, 0);
    assert_eq!(heard.len(), POSTS, "every sender came to an end");
    for one in heard {
        one.answers.iter().for_each(|status| *answers.entry(*status).or_default() += 1);
        let is_held = held.contains(&one.n);
        if one.is_accepted() {
            accepted += 1;
            assert!(is_held, "accepted and lost, seed {seed}: {one:?}");
        } else if one.unanswered > 0 && !matches!(one.manner, Manner::Wrong(_)) {
            unanswered += 1;
            of_these += usize::from(is_held);
        } else {
            assert!(!is_held, "refused and taken all the same, seed {seed}: {one:?}");
        }
        match one.manner {
            Manner::Wrong(fault) => {
                let last = one.answers.last().copied();
                assert!(last == Some(fault.status()) && !one.is_accepted(), "seed {seed}: {one:?}");
            }
            Manner::Stubborn | Manner::Forgetful => assert!(one.is_accepted(), "seed {seed}: {one:?}"),
            Manner::Casual => {}
        }
    }
    let broken_off: u32 = heard.iter().map(|one| one.unanswered).sum();
    println!(
        "{accepted} accepted, {unanswered} never answered ({of_these} of these taken), {broken_off} broken off, answers {answers:?}"
    );
    assert!(broken_off > 0 && answers.contains_key(&503), "the kills and the full disk fell among posts, seed {seed}");
    for fault in Fault::ALL {
        assert!(answers.contains_key(&fault.status()), "{fault:?} was tried, seed {seed}");
    }
}
