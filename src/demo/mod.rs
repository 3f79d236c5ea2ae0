//! `tidings demo`: the real daemon against stand-ins of everyone it talks to, and what came of it.
//!
//! Needs nothing: no account, no network beyond loopback, no configuration. The tests use the same stand-ins.

mod daemon;
mod scenes;
mod stage;
pub mod standins;
mod story;
mod tally;
mod world;

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use daemon::Daemon;
pub use world::{Knobs, World};

use stage::Stage;
use story::{Broke, Story};

#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Options {
    /// Stay after the story, with an event every few seconds, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// The story held.
const HELD: u8 = 0;
/// It did not, or was broken off.
const DID_NOT_HOLD: u8 = 1;
/// The demo itself could not be set up.
const INTERNAL: u8 = 70;

/// Tells the story and gives the exit code.
pub async fn run(options: Options) -> u8 {
    let stage = Stage::new();
    match tell(options, stage).await {
        Ok(code) => code,
        Err(broke) => {
            stage.complain(&broke.to_string());
            if matches!(broke, Broke::Io(_)) { INTERNAL } else { DID_NOT_HOLD }
        }
    }
}

async fn tell(options: Options, stage: Stage) -> Result<u8, Broke> {
    let mut interrupt = Interrupt::new()?;
    let mut story = tokio::select! {
        () = interrupt.wait() => return Err(Broke::Interrupted),
        story = Story::begin(stage) => story?,
    };
    let told = tokio::select! {
        () = interrupt.wait() => Err(Broke::Interrupted),
        told = story.tell() => told,
    };
    if let Err(broke) = told {
        if !matches!(broke, Broke::Interrupted) {
            story.leave_traces()?;
        }
        return Err(broke);
    }
    let held = story.judge()?;
    if options.keep {
        story.explain_how_to_go_on()?;
        tokio::select! {
            () = interrupt.wait() => {}
            stayed = story.stay() => stayed?,
        }
    }
    Ok(if held { HELD } else { DID_NOT_HOLD })
}

/// A person's wish that it end: dropping the story then takes the daemon and the folder with it.
struct Interrupt([Signal; 3]);

impl Interrupt {
    fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
