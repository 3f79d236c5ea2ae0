//! Requests to the registry's API: <https://docs.mirantis.com/msr/2.9/api/>, and its predecessor.

use serde_json::Value;

use super::reference::{Reference, Scan};
use super::scan;
use crate::fault::Fault;
use crate::ingress::text_at;
use crate::outbound::{Api, Outbound, Reply};

/// In bytes. Enough for the detailed scan of a large image.
const MAX_ANSWER: usize = 4 << 20;
/// Twice the length of `SCANNING_NOT_ENABLED`, the longest known one.
const MAX_CODE: usize = 40;

impl Reference<'_> {
    pub(super) async fn look_up(&self, api: &Api, net: &Outbound) -> Result<Value, Fault> {
        let link = api.url(&self.page())?.to_string();
        let found = match (self.tag, self.scan) {
            (Some(tag), Some(scan)) => return self.look_up_scan(tag, scan, api, net, &link).await,
            (tag, _) => {
                let mut path = vec!["api", "v0", "repositories", self.namespace, self.repository];
                path.extend(tag.into_iter().flat_map(|tag| ["tags", tag]));
                json(&api.get(net, &path, &[], MAX_ANSWER).await?)?
            }
        };
        // The answer for an image is a list with one element.
        let found = match found {
            Value::Array(list) => list.into_iter().next().unwrap_or_default(),
            found => found,
        };
        let Value::Object(mut found) = found else { return Err(not_found()) };
        found.insert("link".to_owned(), link.into());
        Ok(found.into())
    }

    /// Tries the newer path first, and the older one where the registry does not know it.
    async fn look_up_scan(&self, tag: &str, scan: Scan, api: &Api, net: &Outbound, link: &str) -> Result<Value, Fault> {
        let newer = ["api", "v0", "imagescan", "scansummary", "repositories", self.namespace, self.repository, tag];
        let mut answer = api.get(net, &newer, &[], MAX_ANSWER).await?;
        if matches!(answer.status, 404 | 405) && !code(&answer).is_some_and(|code| code.starts_with("NO_SUCH_")) {
            let older = ["api", "v0", "imagescan", "repositories", self.namespace, self.repository, tag];
            let detailed = if scan == Scan::Detailed { "true" } else { "false" };
            answer = api.get(net, &older, &[("detailed", detailed)], MAX_ANSWER).await?;
        }
        scan::to_json(&json(&answer)?, scan, link).ok_or_else(not_found)
    }
}

/// The status, and the registry's own word for what is wrong.
fn json(answer: &Reply) -> Result<Value, Fault> {
    if !answer.is_success() {
        let error = match code(answer) {
            Some(code) => format!("{} {code}", answer.status),
            None => answer.status.to_string(),
        };
        return Err(Fault::new("status", error));
    }
    answer.json()
}

/// `NO_SUCH_TAG` of `{"errors":[{"code":"NO_SUCH_TAG", …}]}`.
fn code(answer: &Reply) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let code = text_at(&body, "/errors/0/code")?;
    let is_word = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (is_word && code.len() <= MAX_CODE).then(|| code.to_owned())
}

fn not_found() -> Fault {
    Fault::new("not_found", "the registry does not have it")
}
