//! Tutum's REST API, as far as a relay's `fetch` needs it: stacks, for one account.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::stand_in::{StandIn, Vendor};
use super::tutum_account::Credentials;

pub type Api = StandIn<Account>;

/// Receives what was posted to `/events`.
type EventHandler = Arc<dyn Fn(Value) + Send + Sync>;

pub struct Account {
    credentials: Credentials,
    resources: Mutex<BTreeMap<String, Value>>,
    handler: Mutex<Option<EventHandler>>,
}

impl Api {
    pub async fn start(port: u16, credentials: Credentials) -> io::Result<Self> {
        Self::open(port, Account { credentials, resources: Mutex::default(), handler: Mutex::default() }).await
    }

    /// `http://127.0.0.1:PORT`; a `resource_uri` is appended as it is.
    pub fn url(&self) -> String {
        self.base()
    }

    /// Adds a stack and returns its `resource_uri`.
    pub fn add_stack(&self, uuid: &str, name: &str, state: &str) -> String {
        let uri = format!("/api/v1/stack/{uuid}/");
        let stack = json!({ "uuid": uuid, "name": name, "nickname": name, "state": state, "resource_uri": uri,
            "services": [], "synchronized": true, "deployed_datetime": "Mon, 13 Oct 2014 11:01:43 +0000", "destroyed_datetime": null });
        self.vendor().resources().insert(uri.clone(), stack);
        uri
    }

    /// How often this resource was requested, whatever the answer was.
    pub fn gets(&self, uri: &str) -> usize {
        self.attempts().all().iter().filter(|attempt| attempt.path == uri).count()
    }

    /// From now on `POST /events` passes JSON to `handler`. Tutum has no such endpoint; the demo needs it.
    pub fn accept_events(&self, handler: impl Fn(Value) + Send + Sync + 'static) {
        *self.vendor().handler.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(handler));
    }
}

impl Vendor for Account {
    fn answer(&self, request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/events" {
            return self.handle_event(request);
        }
        if request.method != "GET" {
            return error(405, "method not allowed").offended(format!("{} instead of GET", request.method));
        }
        if !request.header("authorization").is_some_and(|value| self.credentials.accepts(value)) {
            return error(401, "unauthorized").offended("a request to the API without the account's credentials");
        }
        if request.header("accept").is_some_and(|kinds| !kinds.contains("json") && !kinds.contains("*/*")) {
            return error(400, "not acceptable").offended("a request to the API for something else than JSON");
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

    fn handle_event(&self, request: &Request) -> Reply {
        let handler = self.handler.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (handler, serde_json::from_slice(&request.body)) {
            (None, _) => error(404, "events are not accepted"),
            (Some(_), Err(wrong)) => error(400, &format!("not JSON: {wrong}")),
            (Some(handler), Ok(event)) => {
                handler(event);
                Reply::json(202, &json!({ "accepted": 1 }))
            }
        }
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": message }))
}

#[cfg(test)]
mod tests {
    use super::super::faults::InjectedFault;
    use super::super::http::tests::exchange;
    use super::*;

    #[tokio::test]
    async fn a_stack_is_returned_to_its_account_only() {
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
        api.fail_with([InjectedFault::Status(504)]);
        assert_eq!(exchange("GET", &url, &good, "").await.unwrap().0, 504);
        assert_eq!((api.offences().len(), api.gets(&uri)), (1, 3));
    }
}
