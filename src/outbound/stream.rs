//! A reply whose body is read piece by piece, for as long as the caller likes.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::HeaderMap;
use tokio::time::timeout;

use super::reply::Reply;
use super::request::ReplyLimit;
use super::{failure, redact};
use crate::fault::Fault;

/// Enough for an error text.
const LONGEST_ERROR: usize = 4 << 10;

/// A reply of which the head was received. Dropping it closes the connection.
#[derive(Debug)]
pub struct ReplyStream {
    response: Response,
    limit: ReplyLimit,
    secrets: Arc<[String]>,
}

impl ReplyStream {
    pub(super) fn new(response: Response, limit: ReplyLimit, secrets: Arc<[String]>) -> Self {
        Self { response, limit, secrets }
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece, of any size; None at the end. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        self.response.chunk().await.map_err(|error| failure::fault(error, &self.secrets))
    }

    /// The body of an error reply, fit to be logged. Reads only its beginning, and waits no longer than `patience`:
    /// without a body the status is still known.
    pub async fn error_text(mut self, patience: Duration) -> String {
        let body = timeout(patience, read_body(&mut self.response, LONGEST_ERROR)).await;
        let body = body.ok().and_then(Result::ok).map(|(body, _)| body).unwrap_or_default();
        redact::clean(&String::from_utf8_lossy(&body), &self.secrets)
    }

    pub(super) async fn whole(mut self) -> Result<Reply, Fault> {
        let ReplyLimit { bytes, cuts } = self.limit;
        let body = read_body(&mut self.response, bytes).await;
        let (body, is_whole) = body.map_err(|error| failure::fault(error, &self.secrets))?;
        if !is_whole && !cuts {
            return Err(Fault::new("too_large", format!("the reply is longer than {bytes} bytes")));
        }
        let headers = std::mem::take(self.response.headers_mut());
        Ok(Reply::new(self.status(), headers, body, self.secrets))
    }
}

/// A body to its end, or its first `limit` bytes and false; then the connection is not used again.
async fn read_body(response: &mut Response, limit: usize) -> reqwest::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let space = limit - body.len();
        body.extend_from_slice(chunk.get(..space).unwrap_or(&chunk));
        if chunk.len() > space {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::outbound::{Outbound, Request, Timeouts};
    use crate::test_support::scripted_server::{ScriptedServer, Step};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn get(server: &ScriptedServer) -> Request {
        Request::get(Url::parse(&server.url).expect("a URL"))
    }

    async fn soon<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("in time")
    }

    #[tokio::test]
    async fn pieces_arrive_as_they_are_sent_and_outlast_every_timeout() {
        let server =
            ScriptedServer::start([Step::ReplyAndStall(format!("{HEAD}5\r\nfirst\r\n6\r\nsecond\r\n").into())]).await;
        let timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_millis(200) };
        let net = Outbound::with_timeouts(timeouts);
        let mut stream = soon(net.stream(get(&server))).await.expect("a head");
        assert_eq!(stream.status(), 200);
        let mut received = Vec::new();
        while received.len() < 11 {
            received.extend_from_slice(soon(stream.next()).await.expect("whole").expect("more").as_ref());
        }
        assert_eq!(received, b"firstsecond");
        let silence = tokio::time::timeout(timeouts.total * 2, stream.next()).await;
        assert!(silence.is_err(), "nothing came, and nothing broke");
    }

    #[tokio::test]
    async fn an_end_differs_from_a_broken_connection() {
        let server = ScriptedServer::start([
            Step::ReplyAndClose(format!("{HEAD}1\r\nx\r\n0\r\n\r\n")),
            Step::ReplyAndClose(format!("{HEAD}1\r\nx\r\n")),
        ])
        .await;
        let net = Outbound::new();
        for broken in [false, true] {
            let mut stream = soon(net.stream(get(&server))).await.expect("a head");
            assert!(soon(stream.next()).await.expect("a piece").is_some());
            match soon(stream.next()).await {
                Ok(end) => assert!(end.is_none() && !broken),
                Err(fault) => assert!(broken, "{fault}"),
            }
        }
    }

    #[tokio::test]
    async fn a_head_that_does_not_arrive_is_a_timeout() {
        let server = ScriptedServer::start([Step::Stall]).await;
        let timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_millis(50) };
        let net = Outbound::with_timeouts(timeouts);
        assert_eq!(soon(net.stream(get(&server))).await.expect_err("late").reason(), "timeout");
    }
}
