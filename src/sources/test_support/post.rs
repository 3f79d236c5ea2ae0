//! For tests of posted sources: a source, a sender, and an intake that commits everything. The listener has its own
//! tests.

use axum::body::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::http_server::HttpError;
use crate::ingress::verify::Proof;
use crate::ingress::{Accepted, Arrived, HookRequest, VerifiedRequest};
use crate::outbox::{Arrival, Outbox, SourceStatus};
use crate::sources::posted::{PostedEvents, PostedKind};
use crate::sources::source::Source;

pub(in crate::sources) struct TestPost<S> {
    pub(in crate::sources) source: S,
    pub(in crate::sources) out: Outbox,
    pub(in crate::sources) arrivals: mpsc::Receiver<Arrival>,
    pub(in crate::sources) status: SourceStatus,
}

pub(in crate::sources) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
    };
    fields.iter().map(pair).collect()
}

/// Reads a source's table; gives the problems too.
pub(in crate::sources) fn read_config<C>(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    read: impl FnOnce(&TableReader) -> Option<C>,
) -> (Option<C>, Vec<String>) {
    let reading = ConfigReader::new(text, env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.kind", &tree);
    table.read_optional();
    let config = read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

/// What a kind reads in a request that arrived in 1970, without a source around it.
pub(in crate::sources) fn events_of<K: PostedKind>(
    kind: &K,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<PostedEvents, String> {
    events_proven(kind, headers, body, &Proof::Sender)
}

pub(in crate::sources) fn events_proven<K: PostedKind>(
    kind: &K,
    headers: &HeaderMap,
    body: &[u8],
    proof: &Proof,
) -> Result<PostedEvents, String> {
    let (source, kind_name) = (Name::from("in"), Name::from("kind"));
    let arrived = Arrived { source: &source, kind: &kind_name, at: Timestamp::UNIX_EPOCH };
    let request = VerifiedRequest { headers, body, proof, arrived, secret_header: None };
    kind.events_of(&request).map_err(|unreadable| unreadable.to_string())
}

impl<S: Source> TestPost<S> {
    /// The source is named `in`.
    pub(in crate::sources) fn new(kind: &str, source: S) -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("in"), Name::from(kind), sender);
        Self { source, out, arrivals, status }
    }

    /// How many events the answer says are committed, or the error answer; and what was committed.
    pub(in crate::sources) async fn post(
        &mut self,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (Result<usize, HttpError>, Vec<Event>) {
        let request = HookRequest { headers: headers(fields), query: None, body: body.into() };
        let mut committed = Vec::new();
        let commit = async {
            let mut arrival = self.arrivals.recv().await.expect("an open outbox");
            let answer = arrival.committed.take().expect("a waiting source");
            committed = arrival.into_events();
            answer.send(Ok(())).expect("a waiting source");
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
        let count = committed.len();
        let accepted = answer.map(|accepted| {
            assert_eq!(accepted, Accepted::new(count));
            count
        });
        (accepted, committed)
    }

    /// Posts what must be refused: the status and the error. Nothing is committed.
    pub(in crate::sources) async fn post_refused(
        &mut self,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (u16, String) {
        let (answer, committed) = self.post(fields, body).await;
        let error = answer.expect_err("refused");
        assert_eq!(committed.len(), 0, "{error:?}");
        (error.status.as_u16(), error.error.into_owned())
    }
}
