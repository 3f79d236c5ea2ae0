//! Asking the registry: <https://docs.mirantis.com/msr/2.9/api/>, and what was there before.

use serde_json::Value;

use super::reference::{Reference, Scan};
use super::scan;
use crate::fault::Fault;
use crate::outbound::{Api, Outbound, Reply};
use crate::sources::registry::text;

/// What a scan found, with all that is known of each vulnerability, for a large image.
const LONGEST_ANSWER: usize = 4 << 20;
/// Longer ones than `SCANNING_NOT_ENABLED` are no codes.
const LONGEST_CODE: usize = 40;

impl Reference<'_> {
    pub(super) async fn look_up(&self, api: &Api, net: &Outbound) -> Result<Value, Fault> {
        let link = api.url(&self.page())?.to_string();
        let found = match (self.tag, self.scan) {
            (Some(tag), Some(scan)) => return self.look_up_scan(tag, scan, api, net, &link).await,
            (tag, _) => {
                let mut path = vec!["api", "v0", "repositories", self.namespace, self.repository];
                path.extend(tag.into_iter().flat_map(|tag| ["tags", tag]));
                json(&api.get(net, &path, &[], LONGEST_ANSWER).await?)?
            }
        };
        // An image is answered with a list, of one.
        let found = match found {
            Value::Array(list) => list.into_iter().next().unwrap_or_default(),
            found => found,
        };
        let Value::Object(mut found) = found else { return Err(nothing()) };
        found.insert("link".to_owned(), link.into());
        Ok(found.into())
    }

    /// Where the newer of the two ways to ask is not known, the older one is gone.
    async fn look_up_scan(&self, tag: &str, scan: Scan, api: &Api, net: &Outbound, link: &str) -> Result<Value, Fault> {
        let newer = ["api", "v0", "imagescan", "scansummary", "repositories", self.namespace, self.repository, tag];
        let mut answer = api.get(net, &newer, &[], LONGEST_ANSWER).await?;
        if matches!(answer.status, 404 | 405) && !code(&answer).is_some_and(|code| code.starts_with("NO_SUCH_")) {
            let older = ["api", "v0", "imagescan", "repositories", self.namespace, self.repository, tag];
            let detailed = if scan == Scan::Detailed { "true" } else { "false" };
            answer = api.get(net, &older, &[("detailed", detailed)], LONGEST_ANSWER).await?;
        }
        scan::told(&json(&answer)?, scan, link).ok_or_else(nothing)
    }
}

/// The status, and the registry's own word for what is wrong.
fn json(answer: &Reply) -> Result<Value, Fault> {
    if !answer.is_success() {
        let said = match code(answer) {
            Some(code) => format!("{} {code}", answer.status),
            None => answer.status.to_string(),
        };
        return Err(Fault::new("status", said));
    }
    answer.json()
}

/// `NO_SUCH_TAG` of `{"errors":[{"code":"NO_SUCH_TAG", …}]}`.
fn code(answer: &Reply) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    let code = text(&said, "/errors/0/code")?;
    let is_word = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (is_word && code.len() <= LONGEST_CODE).then(|| code.to_owned())
}

fn nothing() -> Fault {
    Fault::new("not_found", "the registry knows nothing of it")
}
