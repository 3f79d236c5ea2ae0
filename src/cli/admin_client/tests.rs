//! Finding the admin API, calling it, and the errors when it is missing.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::admin::types::{DeadRequest, EventsRequest, paths};
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};

fn client(address: &str) -> AdminClient {
    AdminClient::at(address, "from the test".to_owned()).expect("an address")
}

#[test]
fn the_address_comes_from_the_flag_the_variable_or_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, state) = (folder.path().join("relays.toml"), folder.path().join("tidings.db"));
    let nothing = |_: &str| None;
    std::fs::write(&config, format!("[daemon]\nstate = '{}'\nadmin = '127.0.0.1:7'", state.display())).expect("a file");

    let by_key = AdminClient::find(None, &config, &nothing).expect("an address");
    assert_eq!(by_key.shown(), "http://127.0.0.1:7");
    assert!(by_key.origin.contains("admin.addr cannot be read"), "{}", by_key.origin);

    let listening: SocketAddr = "0.0.0.0:4711".parse().expect("an address");
    Address::reached(listening).write(&address_file(&state)).expect("a folder to write to");
    assert_eq!(AdminClient::find(None, &config, &nothing).expect("an address").shown(), "http://127.0.0.1:4711");

    let variable = |name: &str| (name == "TIDINGS_ADMIN").then(|| "http://admin.example:1".to_owned());
    assert_eq!(AdminClient::find(None, &config, &variable).expect("an address").shown(), "http://admin.example:1");
    assert_eq!(AdminClient::find(Some("[::1]:5"), &config, &variable).expect("an address").shown(), "http://[::1]:5");
    assert_eq!(AdminClient::find(Some("ftp://x"), &config, &nothing).expect_err("not HTTP").exit, Exit::Usage);
    let nowhere = PathBuf::from("/nowhere/relays.toml");
    assert!(AdminClient::find(None, &nowhere, &nothing).expect("the default").origin.contains("state/admin.addr"));
}

#[tokio::test]
async fn a_missing_daemon_is_reported_as_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let request = ApiRequest::get(paths::STATUS, &());
    let failure = client(&address.to_string()).call(request).await.expect_err("no server");
    assert_eq!(failure.exit, Exit::Unreachable);
}

/// The answer to one request, and the request: its head and its body.
async fn serving(step: Step, request: ApiRequest) -> (Result<Value, Failure>, String) {
    let server = ScriptedServer::start([step]).await;
    let response = client(&server.url).call(request).await;
    let ReceivedRequest { head, body, .. } = server.only_request();
    (response, format!("{head}\r\n\r\n{body}"))
}

#[tokio::test]
async fn only_the_fields_that_are_set_are_sent() {
    let request = EventsRequest { source: Some("a&b".to_owned()), limit: Some(5), ..EventsRequest::default() };
    let request = ApiRequest::get(paths::EVENTS, &request);
    let (response, received) = serving(reply(200, "", r#"{"events":[]}"#), request).await;
    assert_eq!(response, Ok(json!({"events": []})));
    assert!(received.starts_with("GET /api/v1/events?limit=5&source=a%26b HTTP/1.1\r\n"), "{received}");
    let by_id = ApiRequest::get(paths::DEAD, &DeadRequest { ids: vec![1, 2], ..DeadRequest::default() });
    let (_, received) = serving(reply(200, "", "{}"), by_id).await;
    assert!(received.starts_with("GET /api/v1/dead?ids=1%2C2 HTTP/1.1\r\n"), "{received}");
}

#[test]
fn a_selection_of_dead_letters_is_sent_as_it_is_set() {
    let body = |request: &DeadRequest| Value::Object(ApiRequest::post(paths::DEAD_DROP, request).fields);
    let some = DeadRequest { ids: vec![1, 2], sink: Some("ops".to_owned()), ..DeadRequest::default() };
    assert_eq!(body(&some), json!({"ids": [1, 2], "sink": "ops"}));
    assert_eq!(body(&DeadRequest { all: true, ..DeadRequest::default() }), json!({"all": true}));
}

#[tokio::test]
async fn a_refusal_keeps_its_text_and_other_servers_are_recognized() {
    let refusal = r#"{"error":"nothing is selected","hint":"set all"}"#;
    for (scripted, exit) in [
        (reply(400, "", refusal), Exit::Usage),
        (reply(500, "", refusal), Exit::Internal),
        (reply(503, "", refusal), Exit::Unreachable),
        (reply(200, "", "<html>"), Exit::Unreachable),
        (reply(302, "", "{}"), Exit::Unreachable),
    ] {
        let request = ApiRequest::post(paths::DEAD_DROP, &DeadRequest::default());
        let (response, received) = serving(scripted.clone(), request).await;
        assert_eq!(response.expect_err("no success").exit, exit, "{scripted:?}");
        assert!(received.contains("content-type: application/json"), "{received}");
    }
    let (response, _) = serving(reply(400, "", refusal), ApiRequest::get("/", &())).await;
    assert_eq!(response, Err(Failure::new(Exit::Usage, "nothing is selected").hint("set all")));
}
