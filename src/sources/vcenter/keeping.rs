//! One session after the other, for ever: when to try again, and how slowly where that could lock the account.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use super::history::{Gate, History};
use super::reading::{End, Reader};
use crate::backoff::Backoff;
use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Trouble;

/// vCenter's single sign-on locks an account after a few wrong tries within minutes, and only a person can mend it.
const REFUSED: Duration = Duration::from_secs(300);
/// A session that stood so long was a good one.
const STEADY: Duration = Duration::from_secs(60);

/// Until the stop is said.
pub(super) async fn keep<G: Gate>(gate: &G, reader: &mut Reader<'_>, retry: Backoff, out: &Outbox, stop: &Stop) {
    let mut pace = Pace { retry, failures: 0, spent: false };
    loop {
        let (trouble, stood) = match gate.enter(stop).await {
            Ok(None) => return,
            Err(_) if stop.is_triggered() => return,
            Err(trouble) => (Why::Trouble(trouble), None),
            Ok(Some(inside)) => {
                let began = Instant::now();
                let end = tokio::select! {
                    end = reader.session(&inside) => end,
                    () = inside.found_dead() => End::Lost(Trouble::LoggedOut),
                };
                inside.leave().await;
                let why = match end {
                    End::Stopped => return,
                    End::Lost(trouble) => Why::Trouble(trouble),
                    End::Deaf(fault) => Why::Deaf(fault),
                    End::Anew => continue,
                };
                (why, Some(began.elapsed()))
            }
        };
        let wait = pace.after(&trouble, stood);
        let fault = trouble.fault();
        say(out.source(), &trouble, &fault, wait);
        out.down(fault);
        if stop.or(sleep(wait)).await.is_none() {
            return;
        }
    }
}

enum Why {
    Trouble(Trouble),
    Deaf(Fault),
}

impl Why {
    fn fault(&self) -> Fault {
        match self {
            Self::Trouble(trouble) => trouble.fault(),
            Self::Deaf(fault) => fault.clone(),
        }
    }

    /// Only a person can mend it.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Trouble(Trouble::Refused(_)) => true,
            Self::Trouble(Trouble::Server { name, .. }) => name == "NoPermission",
            _ => false,
        }
    }
}

fn say(source: &str, why: &Why, fault: &Fault, wait: Duration) {
    let again = print_duration(Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    match why {
        why if why.is_refusal() => error!(source, %fault, "vCenter refuses us; next try in {again}"),
        Why::Deaf(_) => error!(source, %fault, "deaf; logging in anew in {again}"),
        Why::Trouble(_) => warn!(source, reason = fault.reason(), %fault, "not connected; next try in {again}"),
    }
}

struct Pace {
    retry: Backoff,
    failures: u32,
    /// Whether the one try that needs no wait has been had since the last steady session.
    spent: bool,
}

impl Pace {
    /// `stood`: how long the session was there, if there was one.
    fn after(&mut self, why: &Why, stood: Option<Duration>) -> Duration {
        if why.is_refusal() {
            return REFUSED;
        }
        if stood.is_some_and(|stood| stood >= STEADY) {
            (self.failures, self.spent) = (0, false);
        }
        if stood.is_some() && !std::mem::replace(&mut self.spent, true) {
            return Duration::ZERO;
        }
        self.spent = true;
        self.failures = self.failures.saturating_add(1);
        self.retry.after(self.failures, fastrand::f64())
    }
}
