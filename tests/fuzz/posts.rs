//! Posted requests: bodies, forms, `CloudEvents` and vendors' envelopes, given to their sources.

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

/// A source, and an intake that commits everything.
pub(crate) struct Hall {
    pub(crate) source: AnySource,
    pub(crate) out: Outbox,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) status: SourceStatus,
    runtime: Runtime,
}

/// The source `[source.KIND.in]` with the keys of `table`.
pub(crate) fn source(kind: &str, table: &str) -> AnySource {
    let text = format!("[source.{kind}.in]\n{table}");
    let mut config = Config::from_text(Path::new("relays.toml"), &text, &|_| None, false).expect("a configuration");
    config.sources.remove(0).config.open(&Outbound::new())
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The valid headers above the empty line, and the body below it.
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

    /// A summary of the answer, which is checked against what was committed.
    pub(crate) fn post(&mut self, request: HookRequest) -> String {
        let Self { source, out, arrivals, status, runtime } = self;
        let mut committed = Vec::new();
        let answer = runtime.block_on(async {
            let write_gaps = async {
                while let Some(gap) = status.gaps.recv().await {
                    assert!(gap.from <= gap.to, "{gap:?}");
                    gap.committed.expect("a waiting source").send(Ok(())).expect("a waiting source");
                }
            };
            let commit = async {
                let mut arrival = arrivals.recv().await.expect("an open outbox");
                let answer = arrival.committed.take().expect("a waiting source");
                committed = arrival.into_events();
                answer.send(Ok(())).expect("a waiting source");
                std::future::pending::<()>().await;
            };
            tokio::select! {
                answer = source.receive(request, out) => answer,
                () = commit => unreachable!("it never ends"),
                () = write_gaps => unreachable!("an open outbox"),
            }
        });
        match answer {
            Ok(accepted) => {
                assert_eq!(accepted, tidings::ingress::Accepted::new(committed.len()));
                committed.iter().for_each(check);
                let ids =
                    committed.iter().filter(|event| matches!(event.id, tidings::event::EventId::Given(_))).count();
                let r#type = committed.first().map_or("", |event| &event.r#type);
                format!("{} {} {}", committed.len().min(3), ids.min(3), r#type == "message")
            }
            Err(error) => {
                assert!(committed.is_empty(), "refused, but committed: {error:?}");
                assert!(error.status.is_client_error(), "not a client error: {error:?}");
                assert!(!error.error.contains(SECRET), "{error:?}");
                format!("{} {}", error.status, gist(&error.error))
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
    target.fuzz(|bytes| halls.each_mut().map(|hall| hall.post(request(bytes))));
}

#[test]
fn github() {
    let mut hall = Hall::new("github", &format!("secret = \"{SECRET}\""));
    let target = Target { name: "github", corpus: corpus::github(), words: corpus::POST_WORDS, longest: 1 << 15 };
    target.fuzz(|bytes| {
        // Only signed requests are read, so each is signed.
        let mut request = request(bytes);
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
        mac.update(&request.body);
        let mut signature = String::from("sha256=");
        mac.finalize()
            .into_bytes()
            .iter()
            .for_each(|byte| write!(signature, "{byte:02x}").expect("a String takes all"));
        request.headers.insert("x-hub-signature-256", HeaderValue::try_from(signature).expect("letters"));
        hall.post(request)
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
    Target { name: "alertmanager", corpus, words, longest: 1 << 15 }.fuzz(|bytes| hall.post(request(bytes)));
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
    target.fuzz(|bytes| halls.each_mut().map(|hall| hall.post(request(bytes))));
}
