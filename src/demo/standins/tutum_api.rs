//! Tutum's REST API, as far as a relay's `fetch` needs it: stacks behind an account.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::peer::{Peer, Vendor};
use super::tutum::Credentials;
use super::wire::{Reply, Request};

pub type Api = Peer<Account>;

/// Given what a person posted to `/say`.
type Say = Arc<dyn Fn(Value) + Send + Sync>;

pub struct Account {
    credentials: Credentials,
    resources: Mutex<BTreeMap<String, Value>>,
    say: Mutex<Option<Say>>,
}

impl Api {
    pub async fn start(port: u16, credentials: Credentials) -> io::Result<Self> {
        Self::open(port, Account { credentials, resources: Mutex::default(), say: Mutex::default() }).await
    }

    /// `http://127.0.0.1:PORT`; a `resource_uri` is appended as it is.
    pub fn url(&self) -> String {
        self.base()
    }

    /// A stack that can be fetched from now on; gives its `resource_uri`.
    pub fn add_stack(&self, uuid: &str, name: &str, state: &str) -> String {
        let uri = format!("/api/v1/stack/{uuid}/");
        let stack = json!({ "uuid": uuid, "name": name, "nickname": name, "state": state, "resource_uri": uri,
            "services": [], "synchronized": true, "deployed_datetime": "Mon, 13 Oct 2014 11:01:43 +0000", "destroyed_datetime": null });
        self.vendor().resources().insert(uri.clone(), stack);
        uri
    }

    /// How often this resource was asked for, whatever the answer was.
    pub fn gets(&self, uri: &str) -> usize {
        self.attempts().all().iter().filter(|attempt| attempt.path == uri).count()
    }

    /// From now on `POST /say` hands JSON to `say`: not Tutum's, but a demo's way to hear a person.
    pub fn listen_to_people(&self, say: impl Fn(Value) + Send + Sync + 'static) {
        *self.vendor().say.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(say));
    }
}

impl Vendor for Account {
    fn answer(&self, request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/say" {
            return self.hear(request);
        }
        if request.method != "GET" {
            return error(405, "method not allowed").offended(format!("{} instead of GET", request.method));
        }
        if !request.header("authorization").is_some_and(|value| self.credentials.accepts(value)) {
            return error(401, "unauthorized").offended("the API was asked without the account's credentials");
        }
        if request.header("accept").is_some_and(|kinds| !kinds.contains("json") && !kinds.contains("*/*")) {
            return error(400, "not acceptable").offended("the API was asked for something else than JSON");
        }
        match self.resources().get(&request.path) {
            Some(resource) => Reply::json(200, resource),
            None => error(404, "the object does not exist"),
        }
    }

    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        error(429, "too many requests").after(retry_after)
    }

    fn broken(&self, _request: &Request, status: u16) -> Reply {
        error(status, "try again later")
    }
}

impl Account {
    fn resources(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, request: &Request) -> Reply {
        let say = self.say.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (say, serde_json::from_slice(&request.body)) {
            (None, _) => error(404, "nobody listens to people here"),
            (Some(_), Err(wrong)) => error(400, &format!("not JSON: {wrong}")),
            (Some(say), Ok(event)) => {
                say(event);
                Reply::json(202, &json!({ "said": true }))
            }
        }
    }
}

fn error(status: u16, said: &str) -> Reply {
    Reply::json(status, &json!({ "error": said }))
}

#[cfg(test)]
mod tests {
    use super::super::faults::Trouble;
    use super::super::wire::tests::exchange;
    use super::*;

    #[tokio::test]
    async fn a_stack_is_shown_to_its_account_only() {
        let credentials = Credentials { user: "demo".to_owned(), token: "s3cr3t".to_owned() };
        let api = Api::start(0, credentials.clone()).await.unwrap();
        let uri = api.add_stack("f24bca18", "webshop", "Running");
        let url = format!("{}{uri}", api.url());
        let good = format!("authorization: {}\r\n", credentials.api_key());
        let (status, body) = exchange("GET", &url, &good, "").await.unwrap();
        assert_eq!((status, body.contains("\"name\":\"webshop\"")), (200, true));
        assert_eq!(exchange("GET", &url.replace("f24", "f25"), &good, "").await.unwrap().0, 404);
        assert!(api.offences().is_empty());

        assert_eq!(exchange("GET", &url, "authorization: ApiKey demo:other\r\n", "").await.unwrap().0, 401);
        api.fail_with([Trouble::Status(504)]);
        assert_eq!(exchange("GET", &url, &good, "").await.unwrap().0, 504);
        assert_eq!((api.offences().len(), api.gets(&uri)), (1, 3));
    }
}
