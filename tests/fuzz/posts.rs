//! What others post: the bodies, forms, `CloudEvents` and vendors' envelopes that a source takes at the listener.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use std::fmt::Write;
use std::path::Path;
use tidings::config::Config;
use tidings::event::{Event, Name};
use tidings::ingress::HookRequest;
use tidings::outbound::Outbound;
use tidings::outbox::{Arrival, Outbox, SourceStatus};
use tidings::sources::{AnySource, Source};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::corpus;
use crate::engine::{Target, gist};

const SECRET: &str = "a secret of the fuzz";

/// A source, and an intake that writes everything down.
pub(crate) struct Hall {
    pub(crate) source: AnySource,
    pub(crate) out: Outbox,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) status: SourceStatus,
    runtime: Runtime,
}

/// What `[source.KIND.in]` of `table` is.
pub(crate) fn source(kind: &str, table: &str) -> AnySource {
    let text = format!("[source.{kind}.in]\n{table}");
    let mut config = Config::from_text(Path::new("relays.toml"), &text, &|_| None, false).expect("a configuration");
    config.sources.remove(0).config.open(&Outbound::new())
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The headers above the empty line, as far as they are any, and the body below it.
pub(crate) fn request(bytes: &[u8]) -> HookRequest {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(50) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    HookRequest { headers, query: None, body: body.to_vec().into() }
}

impl Hall {
    pub(crate) fn new(kind: &str, table: &str) -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("in"), Name::from(kind), sender);
        Self { source: source(kind, table), out, arrivals, status, runtime: runtime() }
    }

    /// What the sender is told, checked against what was handed over.
    pub(crate) fn bring(&mut self, request: HookRequest) -> String {
        let Self { source, out, arrivals, status, runtime } = self;
        let mut taken = Vec::new();
        let answer = runtime.block_on(async {
            let write_gaps = async {
                while let Some(gap) = status.gaps.recv().await {
                    assert!(gap.from <= gap.to, "{gap:?}");
                    gap.committed.expect("somebody waits").send(Ok(())).expect("still waiting");
                }
            };
            let commit = async {
                let mut arrival = arrivals.recv().await.expect("the outbox is there");
                let answer = arrival.committed.take().expect("somebody waits");
                taken = arrival.into_events();
                answer.send(Ok(())).expect("still waiting");
                std::future::pending::<()>().await;
            };
            tokio::select! {
                answer = source.receive(request, out) => answer,
                () = commit => unreachable!("it never ends"),
                () = write_gaps => unreachable!("the outbox is there"),
            }
        });
        match answer {
            Ok(welcome) => {
                assert_eq!(welcome, tidings::ingress::Accepted::accepted(taken.len()));
                taken.iter().for_each(check);
                let ids = taken.iter().filter(|event| matches!(event.id, tidings::event::EventId::Given(_))).count();
                let r#type = taken.first().map_or("", |event| &event.r#type);
                format!("{} {} {}", taken.len().min(3), ids.min(3), r#type == "message")
            }
            Err(refusal) => {
                assert!(taken.is_empty(), "refused, and taken all the same: {refusal:?}");
                assert!(refusal.status().is_client_error(), "it is the sender's fault: {refusal:?}");
                assert!(!refusal.error().contains(SECRET), "{refusal:?}");
                format!("{} {}", refusal.status(), gist(refusal.error()))
            }
        }
    }
}

/// What every source promises of its events.
pub(crate) fn check(event: &Event) {
    assert!(!event.r#type.is_empty() && event.r#type.chars().count() <= 256, "{event:?}");
    assert!(event.subject.chars().count() <= 1024 && event.id.to_string().len() <= 512, "{event:?}");
    assert!(event.to_json()["data"] == **event.data.value(), "{event:?}");
}

const LABELS: &str = "type = \"{{ data.kind }}\"\nid = \"{{ data.id }}\"\n\
    subject = \"{{ headers['x-topic'] or data.subject or body.subject }}\"\ntime = \"{{ data.at }}\"\n";

#[test]
fn webhook() {
    let mut halls = ["", "split = \"data.things\""].map(|split| Hall::new("webhook", &format!("{LABELS}{split}")));
    let target = Target { name: "webhook", corpus: corpus::posts(), words: corpus::POST_WORDS, longest: 1 << 15 };
    target.fuzz(|bytes| halls.each_mut().map(|hall| hall.bring(request(bytes))));
}

#[test]
fn github() {
    let mut hall = Hall::new("github", &format!("secret = \"{SECRET}\""));
    let target = Target { name: "github", corpus: corpus::github(), words: corpus::POST_WORDS, longest: 1 << 15 };
    target.fuzz(|bytes| {
        // Only what is signed is read, so a stranger who may sign is the one to fear.
        let mut request = request(bytes);
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
        mac.update(&request.body);
        let mut signature = String::from("sha256=");
        mac.finalize()
            .into_bytes()
            .iter()
            .for_each(|byte| write!(signature, "{byte:02x}").expect("a String takes all"));
        request.headers.insert("x-hub-signature-256", HeaderValue::try_from(signature).expect("letters"));
        hall.bring(request)
    });
}

#[test]
fn alertmanager() {
    let mut hall = Hall::new("alertmanager", "");
    let corpus = corpus::alertmanager();
    let words = &[
        "\"alerts\":",
        "\"status\":",
        "firing",
        "resolved",
        "\"labels\":",
        "\"fingerprint\":",
        "\"startsAt\":",
        "\"truncatedAlerts\":",
        "null",
        "[]",
        "{}",
        ",",
        "0001-01-01T00:00:00Z",
    ];
    Target { name: "alertmanager", corpus, words, longest: 1 << 15 }.fuzz(|bytes| hall.bring(request(bytes)));
}

#[test]
fn registries() {
    let kinds = ["dtr", "harbor", "dockerhub"];
    let mut halls = kinds.map(|kind| Hall::new(kind, ""));
    let words = &[
        "\"type\":",
        "\"contents\":",
        "\"event_data\":",
        "\"push_data\":",
        "\"repository\":",
        "\"resources\":",
        "\"scanSummary\":",
        "\"createdAt\":",
        "\"occur_at\":",
        "\"pushed_at\":",
        "\"tag\":",
        "TAG_PUSH",
        "SCAN_COMPLETED",
        "REPO_EVENT",
        "PUSH_ARTIFACT",
        "SCANNING_COMPLETED",
        "sha256:",
        "/",
        ":",
        "null",
        "[]",
        "{}",
        ",",
    ];
    let target = Target { name: "registries", corpus: corpus::registries(), words, longest: 1 << 15 };
    target.fuzz(|bytes| halls.each_mut().map(|hall| hall.bring(request(bytes))));
}
