//! A source that waits at the listener, somebody who brings it something, and an intake that writes all of it down.
//! For tests of sources; the listener has its own.

use axum::body::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::Source;
use crate::event::{Event, Name};
use crate::http_server::Refusal;
use crate::ingress::{Accepted, HookRequest};
use crate::outbox::{Arrival, Outbox, SourceStatus};

pub(super) struct Visitor<S> {
    pub(super) source: S,
    pub(super) out: Outbox,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) status: SourceStatus,
}

pub(super) fn headers(said: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
    };
    said.iter().map(pair).collect()
}

impl<S: Source> Visitor<S> {
    /// The source is named `in`.
    pub(super) fn new(kind: &str, source: S) -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("in"), Name::from(kind), sender);
        Self { source, out, arrivals, status }
    }

    /// How many events the sender is told are safe, or the refusal; and what was committed.
    pub(super) async fn bring(
        &mut self,
        said: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (Result<usize, Refusal>, Vec<Event>) {
        let request = HookRequest { headers: headers(said), query: None, body: body.into() };
        let mut committed = Vec::new();
        let commit = async {
            let mut arrival = self.arrivals.recv().await.expect("the outbox is there");
            let answer = arrival.committed.take().expect("somebody waits");
            committed = arrival.into_events();
            answer.send(Ok(())).expect("still waiting");
        };
        let answer = {
            let receive = self.source.receive(request, &self.out);
            tokio::pin!(receive, commit);
            tokio::select! {
                biased;
                answer = &mut receive => answer,
                () = &mut commit => receive.await,
            }
        };
        let many = committed.len();
        let told = answer.map(|welcome| {
            assert_eq!(welcome, Accepted::accepted(many));
            many
        });
        (told, committed)
    }

    /// The status and the reason; nothing was committed.
    pub(super) async fn refused(&mut self, said: &[(&str, &str)], body: impl Into<Bytes>) -> (u16, String) {
        let (answer, committed) = self.bring(said, body).await;
        let refusal = answer.expect_err("refused");
        assert_eq!(committed.len(), 0, "{refusal:?}");
        (refusal.status().as_u16(), refusal.error().to_owned())
    }
}
