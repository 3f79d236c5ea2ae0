//! Replies of receivers and APIs: HTTP as they write it, `Retry-After`, and bodies that count more than the status.

use std::path::Path;
use std::time::Duration;

use tidings::config::Config;
use tidings::event::Body;
use tidings::message::{Message, Origin, Receipt, SendError};
use tidings::outbound::{Outbound, Timeouts};
use tidings::sinks::{AnySink, Sink};
use tidings::sources::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::corpus;
use crate::engine::{Target, gist};
use crate::posts::{runtime, source};
use crate::relays::event;

/// `@` is the URL of the server. Everything that contains `s3cr3t` is a secret.
const SINKS: &str = r#"
[sink.slack.hook]
webhook = "@/services/T0/B0/s3cr3t-hook"
[sink.slack.bot]
token = "xoxb-s3cr3t-t0ken"
channel = "C024BE91L"
update = true
api = "@/api"
[sink.google-chat.room]
webhook = "@/v1/spaces/AAAA/messages?key=s3cr3t-key&token=s3cr3t-t0ken%3D"
[sink.pagerduty.v2]
key = "0123456789abcdefs3cr3t0123456789"
url = "@/v2/enqueue"
[sink.pagerduty.v1]
api = "v1"
key = "0123456789abcdefs3cr3t0123456789"
url = "@/generic/create_event.json"
[sink.discord.guild]
webhook = "@/api/webhooks/1/s3cr3t-t0ken"
[sink.mattermost.town]
webhook = "@/hooks/s3cr3t-k3y"
[sink.teams.channel]
webhook = "@/workflows/7a/triggers/manual/paths/invoke?sig=s3cr3t-S"
[sink.http.any]
url = "@/in/s3cr3t-path"
[sink.elasticsearch.archive]
url = "@"
api_key = "s3cr3t-key"
"#;
/// The limit that `outbound` documents.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

struct Server {
    listener: TcpListener,
    runtime: Runtime,
    url: String,
}

impl Server {
    fn new() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        Self { listener, runtime, url }
    }

    /// Sends `reply` to every request that `work` makes, and closes each connection.
    fn replying<T>(&self, reply: &[u8], work: impl Future<Output = T>) -> T {
        let serve = async {
            loop {
                let (mut tcp, _) = self.listener.accept().await.expect("loopback");
                let mut request = Vec::new();
                while !is_whole(&request) && tcp.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
                let _written = tcp.write_all(reply).await;
                let _closed = tcp.shutdown().await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! { result = work => result, () = serve => unreachable!() }
        })
    }
}

/// Whether a request is complete, by its Content-Length.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}

fn net() -> Outbound {
    Outbound::with_timeouts(Timeouts { connect: Duration::from_secs(1), total: Duration::from_secs(1) })
}

/// Checks what every verdict must hold, and gives it in short.
fn checked(verdict: Result<Receipt, SendError>) -> String {
    match verdict {
        Ok(Receipt(receipt)) => format!("delivered {}", receipt.is_some()),
        Err(error) => {
            let cause = error.cause();
            assert!(
                !format!("{cause} {:?}", cause.reply()).contains("s3cr3t"),
                "a secret is shown: {cause} {:?}",
                cause.reply()
            );
            match &error {
                SendError::Later { wait, lane, .. } => {
                    assert!(wait.is_none_or(|wait| wait <= LONGEST_WAIT && !wait.is_zero()), "{wait:?}");
                    format!("later {} {lane} {}", wait.is_some(), cause.reason())
                }
                SendError::NeverMessage(_) => format!("never {}", cause.reason()),
                SendError::NeverDestination(_) => format!("stopped {}", cause.reason()),
            }
        }
    }
}

#[test]
fn answers() {
    let server = Server::new();
    let text = SINKS.replace('@', &server.url);
    let config = Config::from_text(Path::new("relays.toml"), &text, &|_| None, false).expect("a configuration");
    let net = net();
    let sinks: Vec<AnySink> = config.sinks.into_iter().map(|sink| sink.config.open(&net)).collect();
    assert_eq!(sinks.len(), 10, "every sink of the configuration");
    let origin = || Origin { event: event(Body::parse("{}").expect("JSON")), relay: "all".into() };
    let message = Message::plain("hello", "prod/web", origin());
    let edited = Message { earlier: Some(r#"{"ts":"1.2","channel":"C024BE91L"}"#.to_owned()), ..message.clone() };
    let mut round = 0;
    Target { name: "answers", corpus: corpus::answers(), words: corpus::ANSWER_WORDS, longest: 1 << 14 }.fuzz(
        |bytes| {
            // Every input goes to one sink; similar ones go to the others.
            round += 1;
            let index = round % sinks.len();
            let both = [&message, &edited];
            let verdicts = server.replying(bytes, async {
                if round % 3 == 0 { sinks[index].send_all(&both).await } else { vec![sinks[index].send(&edited).await] }
            });
            assert!(verdicts.len() == if round % 3 == 0 { 2 } else { 1 }, "a verdict for each");
            (index, verdicts.into_iter().map(checked).collect::<Vec<_>>())
        },
    );
}

/// A reference out of an event, a line feed, and the reply of the API.
#[test]
fn fetcher() {
    let server = Server::new();
    let tutum =
        source("tutum", &format!("user = \"u\"\ntoken = \"t\"\nurl = \"ws://127.0.0.1:1/\"\napi = \"{}\"", server.url));
    let references =
        ["/api/v1/stack/1/", "//evil/stack/1/", "http://169.254.169.254/stack", "/api/v1/../../x", "\\\\evil\\stack"];
    let answers = corpus::answers();
    let corpus = references
        .iter()
        .flat_map(|reference| answers.iter().map(move |answer| [reference.as_bytes(), b"\n", answer].concat()));
    let corpus: Vec<_> = corpus.collect();
    Target { name: "look_ups", corpus, words: corpus::ANSWER_WORDS, longest: 1 << 14 }.fuzz(|bytes| {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (reference, answer) = bytes.split_at(end);
        let reference = String::from_utf8_lossy(reference);
        match server.replying(answer.get(1..).unwrap_or_default(), tutum.look_up(&reference)) {
            Ok(value) => format!("{} {}", value.is_object(), value.is_array()),
            Err(fault) => format!("{} {}", fault.reason(), gist(&fault.to_string())),
        }
    });
}
