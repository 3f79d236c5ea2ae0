//! The table: one row for each kind of source.

use std::collections::VecDeque;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::row::{Connect, Link, LookUp, Post, Row};
use super::stand_in::{chunked, is_upgrade, raw_reply, upgrade};
use super::vcenter_replies;
use crate::test_support::scripted_server::{ReceivedRequest, Step, reply};

pub(super) const ROWS: &[Row] = &[
    Row {
        kind: "alertmanager",
        toml: "verify = { bearer = \"s3cr3t-token-0123456789\" }",
        has_secrets: true,
        link: Link::Posted(Post {
            body: r#"{"alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-01-01T00:00:00Z"}]}"#,
            headers: bearer,
        }),
        look_up: None,
        has_cursor: false,
    },
    Row {
        kind: "docker",
        toml: "url = \"http://@\"\nmax_frame = \"64KiB\"",
        // Its only secret is a private key in a file, which TLS keeps.
        has_secrets: false,
        link: Link::Connected(Connect {
            event: r#"{"Type":"container","Action":"start","Actor":{"ID":"web"}}"#,
            // As many as fit into `max_frame`.
            swallowed: 2000,
            answer: as_engine,
        }),
        look_up: Some(LookUp {
            reference: "container/web",
            is_look_up: |request| request.target().contains("/containers/"),
        }),
        has_cursor: true,
    },
    Row {
        kind: "dockerhub",
        toml: "verify = { path = \"s3cr3t-path-0123456789\" }",
        has_secrets: true,
        link: Link::Posted(Post {
            body: r#"{"push_data":{"tag":"latest","pushed_at":1454345248},"repository":{"repo_name":"foo/bar"},
                "callback_url":"http://127.0.0.1:1/"}"#,
            headers: |_| Vec::new(),
        }),
        look_up: None,
        has_cursor: false,
    },
    Row {
        kind: "dtr",
        toml: "verify = { bearer = \"s3cr3t-token-0123456789\" }\napi = \"http://@\"\nuser = \"alice\"\ntoken = \"s3cr3t-api\"",
        has_secrets: true,
        link: Link::Posted(Post {
            body: r#"{"type":"TAG_PUSH","createdAt":"2026-01-01T00:00:00Z","contents":{"namespace":"foo","repository":"bar"}}"#,
            headers: bearer,
        }),
        look_up: Some(LookUp { reference: "foo/bar:1.0/scan", is_look_up: |_| true }),
        has_cursor: false,
    },
    Row {
        kind: "github",
        toml: "secret = \"s3cr3t-token-0123456789\"",
        has_secrets: true,
        link: Link::Posted(Post {
            body: r#"{"action":"opened","repository":{"full_name":"foo/bar"}}"#,
            headers: |body| {
                let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cr3t-token-0123456789").expect("a key");
                mac.update(body);
                let digest: Vec<_> = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                let signature = ("x-hub-signature-256", format!("sha256={}", digest.concat()));
                vec![signature, ("x-github-event", "issues".to_owned()), ("x-github-delivery", "1".to_owned())]
            },
        }),
        look_up: None,
        has_cursor: false,
    },
    Row {
        kind: "harbor",
        toml: "authorization = \"s3cr3t-token-0123456789\"",
        has_secrets: true,
        link: Link::Posted(Post {
            body: r#"{"type":"PUSH_ARTIFACT","occur_at":1454345248,"event_data":{"repository":{"repo_full_name":"foo/bar"}}}"#,
            headers: |_| vec![("authorization", "s3cr3t-token-0123456789".to_owned())],
        }),
        look_up: None,
        has_cursor: false,
    },
    Row {
        kind: "poll",
        toml: "url = \"http://@/s3cr3t-path?k=s3cr3t-query\"\nbearer = \"s3cr3t-bearer\"\nquery = { key = \"s3cr3t-key\" }\n\
            every = \"1ms\"\nfrom = \"beginning\"",
        has_secrets: true,
        link: Link::Connected(Connect {
            event: r#"[{"n":1}]"#,
            swallowed: 0,
            answer: |_, messages| {
                let body = if messages.len() > 1 { messages.pop_front() } else { messages.front().cloned() };
                raw_reply(&body.unwrap_or_default())
            },
        }),
        look_up: None,
        has_cursor: true,
    },
    Row {
        kind: "tutum",
        toml: "url = \"ws://@/v1/events\"\napi = \"http://@\"\nuser = \"alice\"\ntoken = \"s3cr3t-t0ken\"",
        has_secrets: true,
        link: Link::Connected(Connect {
            event: r#"{"type":"container","action":"start","resource_uri":"/api/v1/container/7a/"}"#,
            swallowed: 0,
            answer: as_stream,
        }),
        look_up: Some(LookUp { reference: "/api/v1/container/7a/", is_look_up: |request| !is_upgrade(request) }),
        has_cursor: false,
    },
    Row {
        kind: "vcenter",
        toml: "url = \"http://@/sdk\"\nusername = \"ops\"\npassword = \"s3cr3t-p4ss\"",
        has_secrets: true,
        link: Link::Connected(Connect { event: "", swallowed: 0, answer: vcenter_replies::answer }),
        look_up: Some(LookUp {
            reference: "VirtualMachine:vm-42",
            is_look_up: |request| request.body.contains("VirtualMachine"),
        }),
        has_cursor: true,
    },
    Row {
        kind: "webhook",
        toml: "verify = { bearer = \"s3cr3t-token-0123456789\" }",
        has_secrets: true,
        link: Link::Posted(Post { body: r#"{"n":1}"#, headers: bearer }),
        look_up: None,
        has_cursor: false,
    },
    Row {
        kind: "websocket",
        toml: "url = \"ws://@/s3cr3t-path?k=s3cr3t-query\"\napi = \"http://@/things/\"\nbearer = \"s3cr3t-bearer\"\n\
            query = { key = \"s3cr3t-key\" }\nsubscribe = [\"s3cr3t-hello\"]",
        has_secrets: true,
        link: Link::Connected(Connect { event: r#"{"n":1}"#, swallowed: 0, answer: as_stream }),
        look_up: Some(LookUp { reference: "1", is_look_up: |request| !is_upgrade(request) }),
        has_cursor: false,
    },
];

fn bearer(_: &[u8]) -> Vec<(&'static str, String)> {
    vec![("authorization", "Bearer s3cr3t-token-0123456789".to_owned())]
}

/// Sends all messages after the handshake.
fn as_stream(request: &ReceivedRequest, messages: &mut VecDeque<Vec<u8>>) -> Step {
    if is_upgrade(request) { upgrade(request, messages.drain(..)) } else { reply(200, "", "{}") }
}

/// Sends all messages in the stream of events.
fn as_engine(request: &ReceivedRequest, messages: &mut VecDeque<Vec<u8>>) -> Step {
    match request.target() {
        "/_ping" => reply(200, "Api-Version: 1.53\r\n", "OK"),
        target if target.starts_with("/v1.44/events") => chunked(messages.drain(..)),
        _ => reply(200, "", "{}"),
    }
}
