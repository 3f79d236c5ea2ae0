//! What relays.toml may say of a source of this kind, and what it is told then.

use super::*;

#[test]
fn credentials_are_asked_for_in_plain_words() {
    for (text, wanted) in [
        ("", "Please provide authentication credentials: `user` and `token`, or `auth`"),
        ("user = \"alice\"", "`user` is here, but `token` is missing"),
        ("token = { env = \"TUTUM_TOKEN\" }", "`token` is here, but `user` is missing"),
        (&format!("{PAIR}{WHOLE}"), "`auth` stands beside `user` or `token`: one of them is not meant"),
        ("user = \"alice\"\ntoken = { env = \"UNSET\" }", "`token`: the variable UNSET is not set"),
        (
            "auth = { env = \"NEWLINE\" }\nsend_auth = \"header\"",
            "this secret holds a character that no HTTP header can (a newline, perhaps)",
        ),
        (&format!("{WHOLE}namespace = \"../x\""), "a namespace is letters, digits, `-` and `_`"),
        (
            &format!("{WHOLE}namespace = \"x\"\nurl = \"wss://h.example/stream\""),
            "`url` has no `events` in its path, so there is no place for a namespace",
        ),
        (&format!("{WHOLE}api = \"ws://h.example\""), "an API's address begins with https or http, not with ws"),
        (&format!("{WHOLE}url = \"https://h.example\""), "a WebSocket URL begins with ws or wss, not with https"),
        (&format!("{WHOLE}send_auth = \"body\""), "`body` is not one of query, header"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[test]
fn an_optional_source_without_its_variables_is_left_out_in_peace() {
    let (config, problems) = read("optional = true\nuser = { env = \"UNSET\" }\ntoken = { env = \"UNSET\" }");
    assert!(config.is_none());
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn nothing_printed_shows_a_credential() {
    let (config, _) = read(&format!("{PAIR}send_auth = \"header\""));
    let printed = format!("{:?}", Tutum::open(config.expect("right"), &Outbound::new()));
    assert!(!printed.contains("t&k n") && !printed.contains("YWxpY2U6"), "{printed}");
    let (config, _) = read(WHOLE);
    let printed = format!("{config:?}");
    assert!(!printed.contains("t0ken"), "{printed}");
}

#[test]
fn the_addresses_are_the_vendors_unless_said_otherwise() {
    let (config, _) = read(PAIR);
    let config = config.expect("right");
    assert_eq!(config.stream.to_string(), "wss://stream.tutum.co");
    let texts = Tutum::ALERT_TEXTS;
    assert_eq!(texts.lost, "Tutum Stream connection closed.");
    assert_eq!(texts.key, Some("tutum-stream"));
}
