//! An answer that does not end: read piece by piece as it comes, for as long as it is wanted.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Request, Response};
use tokio::time::timeout;

use super::{Outbound, redact, trouble, trust, whole_body};
use crate::fault::Fault;

/// As good as for ever, and no clock overflows.
const NO_END: Duration = Duration::from_secs(10 * 366 * 86_400);
/// A refusal is a sentence.
const LONGEST_REFUSAL: usize = 4 << 10;

/// An answer under way. Dropped, its connection is gone.
#[derive(Debug)]
pub struct Flow {
    response: Response,
    secrets: Arc<[String]>,
}

impl Outbound {
    /// Sends `request` and waits for the answer's head, no longer than for a whole answer elsewhere. Its body may then
    /// take for ever: whether the other side is still there is for the caller to find out. The caller has made sure
    /// that credentials in the request belong to its URL's host.
    pub async fn flow(&self, mut request: Request) -> Result<Flow, Fault> {
        let secrets: Arc<[String]> = redact::secrets_in(request.url()).into();
        *request.timeout_mut() = Some(NO_END);
        let client = self.client(request.url())?;
        let late = |_| Fault::new("timeout", "no answer in time");
        let response = timeout(self.0.patience.total, client.execute(request)).await.map_err(late)?;
        let response = response.map_err(|error| failed(error, &secrets))?;
        Ok(Flow { response, secrets })
    }
}

impl Flow {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece, of whatever size; None at the end. Nothing is lost where this is not waited out.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        self.response.chunk().await.map_err(|error| failed(error, &self.secrets))
    }

    /// What was said instead of an endless body, fit to be logged; no more than its beginning is waited for.
    pub async fn refusal(mut self, patience: Duration) -> String {
        let body = timeout(patience, whole_body(&mut self.response, LONGEST_REFUSAL)).await;
        // Whatever is wrong with the words of a refusal, the refusal stands.
        let body = body.ok().and_then(Result::ok).map(|(body, _)| body).unwrap_or_default();
        redact::clean(&String::from_utf8_lossy(&body), &self.secrets)
    }
}

fn failed(error: reqwest::Error, secrets: &[String]) -> Fault {
    match trust::refusal(&error) {
        Some(refused) => refused.fault(),
        None => trouble::fault(error, secrets),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{Method, Url};

    use super::*;
    use crate::outbound::Patience;
    use crate::test_support::scripted_server::{ScriptedServer, Step};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn asked(server: &ScriptedServer) -> Request {
        Request::new(Method::GET, Url::parse(&server.url).expect("a URL"))
    }

    async fn soon<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("in time")
    }

    #[tokio::test]
    async fn pieces_come_as_they_are_sent_and_outlast_every_patience() {
        let server = ScriptedServer::start([Step::ReplyAndStall(format!("{HEAD}5\r\nfirst\r\n6\r\nsecond\r\n"))]).await;
        let patience = Patience { connect: Duration::from_secs(5), total: Duration::from_millis(200) };
        let net = Outbound::patient(patience);
        let mut flow = soon(net.flow(asked(&server))).await.expect("a head");
        assert_eq!(flow.status(), 200);
        let mut heard = Vec::new();
        while heard.len() < 11 {
            heard.extend_from_slice(soon(flow.next()).await.expect("whole").expect("more").as_ref());
        }
        assert_eq!(heard, b"firstsecond");
        let silence = tokio::time::timeout(patience.total * 2, flow.next()).await;
        assert!(silence.is_err(), "nothing came, and nothing broke");
    }

    #[tokio::test]
    async fn ends_and_breaks_are_told_apart() {
        let server = ScriptedServer::start([
            Step::ReplyAndClose(format!("{HEAD}1\r\nx\r\n0\r\n\r\n")),
            Step::ReplyAndClose(format!("{HEAD}1\r\nx\r\n")),
        ])
        .await;
        let net = Outbound::new();
        for broken in [false, true] {
            let mut flow = soon(net.flow(asked(&server))).await.expect("a head");
            assert!(soon(flow.next()).await.expect("a piece").is_some());
            match soon(flow.next()).await {
                Ok(end) => assert!(end.is_none() && !broken),
                Err(fault) => assert!(broken, "{fault}"),
            }
        }
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_is_not_waited_for() {
        let server = ScriptedServer::start([Step::Stall]).await;
        let net = Outbound::patient(Patience { connect: Duration::from_secs(5), total: Duration::from_millis(50) });
        assert_eq!(soon(net.flow(asked(&server))).await.expect_err("late").reason(), "timeout");
    }
}
