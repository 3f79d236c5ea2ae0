//! Tutum's REST API, as far as a relay's `fetch` needs it: stacks, for one account.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::log::Log;
use super::stand_in::{StandIn, Vendor};
use super::tutum_account::Credentials;

pub type Api = StandIn<Account>;

pub struct Account {
    authorization: String,
    resources: Mutex<BTreeMap<String, Value>>,
    events: Log<Value>,
}

impl Api {
    pub fn start(Credentials { user, token }: Credentials) -> io::Result<Self> {
        let (authorization, events) = (format!("ApiKey {user}:{token}"), Log::new("events by hand"));
        Self::open(Account { authorization, resources: Mutex::default(), events }, None)
    }

    /// How often this resource was requested, whatever the answer was.
    pub fn gets(&self, uri: &str) -> usize {
        self.attempts().entries().iter().filter(|attempt| attempt.path == uri).count()
    }
}

impl Vendor for Account {
    /// An event that was posted to `/events`. Tutum has no such endpoint; `demo --keep` passes the event on to the stream.
    type Post = Value;

    /// A `resource_uri` is appended as it is.
    fn endpoint(&self) -> String {
        String::new()
    }

    fn log(&self) -> &Log<Value> {
        &self.events
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/events" {
            return match serde_json::from_slice(&request.body) {
                Err(wrong) => error(400, &format!("not JSON: {wrong}")),
                Ok(event) => {
                    self.events.push(event);
                    Reply::json(202, &json!({ "accepted": 1 }))
                }
            };
        }
        if request.method != "GET" {
            return error(405, "method not allowed").offended(format!("{} instead of GET", request.method));
        }
        if request.header("authorization") != Some(&self.authorization) {
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

    fn broken(&self, status: u16) -> Reply {
        error(status, "try again later")
    }
}

impl Account {
    /// Adds a stack and returns its `resource_uri`.
    pub fn add_stack(&self, uuid: &str, name: &str, state: &str) -> String {
        let uri = format!("/api/v1/stack/{uuid}/");
        let stack = json!({ "uuid": uuid, "name": name, "nickname": name, "state": state, "resource_uri": uri,
            "services": [], "synchronized": true, "deployed_datetime": "Mon, 13 Oct 2014 11:01:43 +0000", "destroyed_datetime": null });
        self.resources().insert(uri.clone(), stack);
        uri
    }

    fn resources(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
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
        let api = Api::start(Credentials { user: "demo".to_owned(), token: "s3cr3t".to_owned() }).unwrap();
        let uri = api.add_stack("f24bca18", "webshop", "Running");
        let url = format!("{}{uri}", api.url());
        let good = "authorization: ApiKey demo:s3cr3t\r\n";
        let (status, body) = exchange("GET", &url, good, "").await.unwrap();
        assert_eq!((status, body.contains("\"name\":\"webshop\"")), (200, true));
        assert_eq!(exchange("GET", &url.replace("f24", "f25"), good, "").await.unwrap().0, 404);
        assert!(api.offences().is_empty());

        assert_eq!(exchange("GET", &url, "authorization: ApiKey demo:other\r\n", "").await.unwrap().0, 401);
        api.fail_with([InjectedFault::Status(504)]);
        assert_eq!(exchange("GET", &url, good, "").await.unwrap().0, 504);
        assert_eq!((api.offences().len(), api.gets(&uri)), (1, 3));
    }
}
