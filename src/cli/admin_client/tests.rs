//! Finding the admin API, and what is said when it is not there.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn admin(said: &str) -> AdminClient {
    AdminClient::at(said, "as the test says".to_owned()).expect("an address")
}

#[test]
fn the_desk_is_where_it_is_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, state) = (folder.path().join("relays.toml"), folder.path().join("tidings.db"));
    let nothing = |_: &str| None;
    std::fs::write(&config, format!("[daemon]\nstate = '{}'\nadmin = '127.0.0.1:7'", state.display())).expect("a file");

    let by_key = AdminClient::find(None, &config, &nothing).expect("an address");
    assert_eq!(by_key.shown(), "http://127.0.0.1:7");
    assert!(by_key.because.contains("admin.addr cannot be read"), "{}", by_key.because);

    let listening: SocketAddr = "0.0.0.0:4711".parse().expect("an address");
    Address::reached(listening).write(&address_file(&state)).expect("a folder to write to");
    assert_eq!(AdminClient::find(None, &config, &nothing).expect("an address").shown(), "http://127.0.0.1:4711");

    let variable = |name: &str| (name == "TIDINGS_ADMIN").then(|| "http://desk.example:1".to_owned());
    assert_eq!(AdminClient::find(None, &config, &variable).expect("an address").shown(), "http://desk.example:1");
    assert_eq!(AdminClient::find(Some("[::1]:5"), &config, &variable).expect("an address").shown(), "http://[::1]:5");
    assert_eq!(AdminClient::find(Some("ftp://x"), &config, &nothing).expect_err("no desk").exit, Exit::Usage);
    let nowhere = PathBuf::from("/nowhere/relays.toml");
    assert!(AdminClient::find(None, &nowhere, &nothing).expect("the usual place").because.contains("state/admin.addr"));
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let failure = admin(&address.to_string()).ask(Question::get("/api/v1/status", [])).await.expect_err("nobody");
    assert_eq!(failure.exit, Exit::Unreachable);
}

/// Answers one request, and gives back what was asked.
async fn answering(reply: &str, question: Question) -> (Result<Value, Failure>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let admin = admin(&listener.local_addr().expect("an address").to_string());
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.expect("a question");
        stream.write_all(reply.as_bytes()).await.expect("someone who reads");
        asked.truncate(length);
        String::from_utf8(asked).expect("text")
    };
    tokio::join!(admin.ask(question), serving)
}

fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn only_what_was_said_is_asked() {
    let query = [("source", Some("a&b".to_owned())), ("relay", None), ("limit", Some("5".to_owned()))];
    let (answer, asked) = answering(&reply("200 OK", r#"{"events":[]}"#), Question::get("/api/v1/events", query)).await;
    assert_eq!(answer, Ok(json!({"events": []})));
    assert!(asked.starts_with("GET /api/v1/events?source=a%26b&limit=5 HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test]
async fn a_refusal_keeps_its_words_and_strangers_are_no_desk() {
    let refusal = r#"{"error":"nothing was chosen","hint":"say all"}"#;
    for (said, exit) in [
        (reply("400 Bad Request", refusal), Exit::Usage),
        (reply("500 Oh", refusal), Exit::Internal),
        (reply("503 Not now", refusal), Exit::Unreachable),
        (reply("200 OK", "<html>"), Exit::Unreachable),
        (reply("302 Found", "{}"), Exit::Unreachable),
    ] {
        let (answer, asked) = answering(&said, Question::post("/api/v1/dead/drop", json!({}))).await;
        assert_eq!(answer.expect_err(&said).exit, exit, "{said}");
        assert!(asked.contains("content-type: application/json"), "{asked}");
    }
    let (answer, _) = answering(&reply("400 Bad Request", refusal), Question::get("/", [])).await;
    assert_eq!(answer, Err(Failure::new(Exit::Usage, "nothing was chosen").hint("say all")));
}
