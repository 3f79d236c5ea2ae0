//! One request as it is and what came back as it is: for protocols that mean something else by status and
//! headers than everyone, and whose answers are large.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Request;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{Outbound, redact, reply, trouble, trust, whole_body};
use crate::fault::Fault;

/// What came back: never followed, and not judged at all.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// How long they want to be left alone, where they say so in a way that can be meant.
    pub fn retry_after(&self) -> Option<Duration> {
        let wish = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        reply::retry_after(wish, Timestamp::now())
    }
}

impl Outbound {
    /// Sends `request` and reads the whole answer, all within `budget`. An answer of more than `limit` bytes is a
    /// fault. The caller has made sure that credentials in the request belong to its URL's host.
    pub async fn exchange(&self, mut request: Request, limit: usize, budget: Duration) -> Result<Answer, Fault> {
        let secrets: Arc<[String]> = redact::secrets_in(request.url()).into();
        *request.timeout_mut() = Some(budget);
        let client = self.client(request.url())?;
        let failed = |error: reqwest::Error| match trust::refusal(&error) {
            Some(refused) => refused.fault(),
            None => trouble::fault(error, &secrets),
        };
        let mut response = client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let (body, whole) = whole_body(&mut response, limit).await.map_err(failed)?;
        if !whole {
            return Err(Fault::new("too_large", format!("the answer is longer than {limit} bytes")));
        }
        Ok(Answer { status, headers, body })
    }
}
