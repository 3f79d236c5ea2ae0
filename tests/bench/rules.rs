//! The cost of parsing an event and finding the relays that want it: `cargo bench --bench rules`.
//!
//! Reports the time per event and, if valgrind is installed, the instructions: they do not depend on other load on the
//! machine, so they can be compared across days. For the instructions the bench starts itself under callgrind twice,
//! with a short and a long run; the difference is the events, without the relays' parsing.
#![expect(clippy::print_stdout, reason = "what it prints is the result")]

mod mix;

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use jiff::Timestamp;
use tidings::config::Config;
use tidings::event::{Body, Event, EventId, Name, Step, path};
use tidings::relay::Relays;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
/// Different events, so that no branch predictor learns them.
const EVENTS: u64 = 2_000;
/// How long each size is measured.
const MEASURED: Duration = Duration::from_secs(2);
/// Events of the two runs under callgrind.
const SHORT: u32 = 200;
const LONG: u32 = 1_200;
/// Callgrind is about fifty times slower, mostly while it parses ten thousand relays.
const LONGEST_CALLGRIND: Duration = Duration::from_secs(300);

/// The cost of parsing an event and finding the relays that want it
#[derive(Parser)]
struct Options {
    /// `cargo bench` passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// Only so many relays, once with so many events, without output: the run under callgrind
    #[arg(long, hide = true, num_args = 2, value_names = ["RELAYS", "EVENTS"])]
    once: Option<Vec<u32>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some([relays, events]) = options.once.as_deref() {
        let bench = Bench::new(*relays)?;
        let wanted: usize = bench.texts.iter().cycle().zip(0..*events).map(|(text, _)| bench.plan(text)).sum();
        black_box(wanted);
        return Ok(());
    }
    println!("{:>8}{:>14}{:>18}{:>22}", "relays", "ns/event", "wanted by (mean)", "instructions/event");
    for relays in SIZES {
        let (nanos, wanted) = Bench::new(relays)?.time();
        let instructions = match instructions(relays).await {
            Ok(count) => format!("{count:.0}"),
            Err(why) => format!("({why})"),
        };
        println!("{relays:>8}{nanos:>14.0}{wanted:>18.3}{instructions:>22}");
    }
    Ok(())
}

struct Bench {
    relays: Relays,
    texts: Vec<String>,
    source: Name,
    kind: Name,
    type_at: Box<[Step]>,
    action_at: Box<[Step]>,
    subject_at: Box<[Step]>,
}

impl Bench {
    fn new(relays: u32) -> Result<Self> {
        let config = Config::from_text(Path::new("relays.toml"), &relays_toml(relays), &|_| None, false)?;
        let texts = (0..EVENTS).map(|id| {
            let mut text = String::new();
            mix::write_event(id, &mut text);
            text
        });
        let at = |text| path(text).context("a path");
        Ok(Self {
            relays: Relays::compile(config.relays),
            texts: texts.collect(),
            source: Name::from("stream"),
            kind: Name::from("websocket"),
            type_at: at("type")?,
            action_at: at("action")?,
            subject_at: at("resource_uri")?,
        })
    }

    /// What happens to an event before the store: it is parsed, built and planned.
    fn plan(&self, text: &str) -> usize {
        let data = Body::parse(text).expect("the mix is JSON");
        let plain = |at: &[Step]| data.plain(at).unwrap_or_default();
        let r#type = format!("{}.{}", plain(&self.type_at), plain(&self.action_at)).into();
        let subject = plain(&self.subject_at).into();
        let event = Event {
            id: EventId::fresh(Timestamp::UNIX_EPOCH),
            source: self.source.clone(),
            kind: self.kind.clone(),
            r#type,
            time: Timestamp::UNIX_EPOCH,
            subject,
            data,
        };
        self.relays.plan(&event).wanted.len()
    }

    /// Nanoseconds per event, and how many relays wanted one.
    fn time(&self) -> (f64, f64) {
        let (mut events, mut wanted) = (0_u32, 0_usize);
        let started = Instant::now();
        while started.elapsed() < MEASURED {
            for text in &self.texts {
                wanted += black_box(self.plan(black_box(text)));
                events += 1;
            }
        }
        let nanos = started.elapsed().as_secs_f64() * 1e9 / f64::from(events);
        (nanos, f64::from(u32::try_from(wanted).unwrap_or(u32::MAX)) / f64::from(events))
    }
}

/// Typical relays without a `when`: by type, by state, by the prefix of a name.
fn relays_toml(count: u32) -> String {
    let mut text = "[source.websocket.stream]\nurl = \"ws://127.0.0.1:9/\"\n".to_owned();
    for n in 0..count {
        let kind = ["container", "service", "stack", "node", "action"][n as usize % 5];
        let pattern = match n % 4 {
            // The only one that matches: the relay of the bench `road`.
            _ if n == 0 => r#"type = ["service.create", "service.update"]"#.to_owned(),
            0 => format!(r#"type = "{kind}.delete", subject = {{ prefix = "/api/v1/{kind}/{n:05x}" }}"#),
            1 => format!(r#"type = "{kind}.*", "data.uuid" = "{n:08x}-0000-4000-8000-000000000000""#),
            2 => format!(r#"type = ["{kind}.create", "{kind}.update"], "data.state" = "State {n}""#),
            _ => format!(r#"type = "{kind}.update", "data.parents[]" = "/api/v1/stack/{n:05x}*""#),
        };
        write!(text, "\n[[relay]]\nname = \"relay {n}\"\nmatch = {{ {pattern} }}\ntext = \"{{{{ data.state }}}}\"\n")
            .expect("writing to a String cannot fail");
    }
    text
}

async fn instructions(relays: u32) -> Result<f64> {
    let short = callgrind(relays, SHORT).await?;
    let long = callgrind(relays, LONG).await?;
    Ok((long - short) / f64::from(LONG - SHORT))
}

/// The instructions of a run, as callgrind counts them.
async fn callgrind(relays: u32, events: u32) -> Result<f64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--once", &relays.to_string(), &events.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST_CALLGRIND, run).await.context("took too long")?.context("no valgrind")?;
    ensure!(output.status.success(), "callgrind failed: {}", output.status);
    let report = String::from_utf8_lossy(&output.stderr);
    let count = report.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    Ok(count.trim().parse()?)
}
