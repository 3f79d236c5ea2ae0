//! The configuration keys and their faults.

use super::*;

#[test]
fn invalid_values_are_reported() {
    for (text, wanted) in [
        ("", "Please provide authentication credentials: `user` and `token`, or `auth`"),
        ("user = \"alice\"", "`user` is here, but `token` is missing"),
        ("token = { env = \"TUTUM_TOKEN\" }", "`token` is here, but `user` is missing"),
        (&format!("{PAIR}{WHOLE}"), "set either `auth`, or `user` and `token`, not both"),
        ("user = \"alice\"\ntoken = { env = \"UNSET\" }", "`token`: the variable UNSET is not set"),
        (
            "auth = { env = \"NEWLINE\" }\nsend_auth = \"header\"",
            "this secret holds a character that no HTTP header can (a newline, perhaps)",
        ),
        (&format!("{WHOLE}namespace = \"../x\""), "a namespace is letters, digits, `-` and `_`"),
        (
            &format!("{WHOLE}namespace = \"x\"\nurl = \"wss://h.example/stream\""),
            "`namespace` needs a `url` with `events` in its path",
        ),
        (&format!("{WHOLE}api = \"ws://h.example\""), "an API's address begins with https or http, not with ws"),
        (&format!("{WHOLE}url = \"https://h.example\""), "a WebSocket URL begins with ws or wss, not with https"),
        (&format!("{WHOLE}send_auth = \"body\""), "`body` is not one of query, header"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[test]
fn an_optional_source_without_its_variables_is_left_out_silently() {
    let (config, problems) = read("optional = true\nuser = { env = \"UNSET\" }\ntoken = { env = \"UNSET\" }");
    assert!(config.is_none());
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn debug_output_contains_no_credentials() {
    let (config, _) = read(&format!("{PAIR}send_auth = \"header\""));
    let printed = format!("{:?}", Tutum::open(config.expect("a valid configuration"), &Outbound::new()));
    assert!(!printed.contains("t&k n") && !printed.contains("YWxpY2U6"), "{printed}");
    let (config, _) = read(WHOLE);
    let printed = format!("{config:?}");
    assert!(!printed.contains("t0ken"), "{printed}");
}

#[test]
fn the_default_addresses_are_those_of_the_vendor() {
    let (config, _) = read(PAIR);
    let config = config.expect("a valid configuration");
    assert_eq!(config.stream.to_string(), "wss://stream.tutum.co");
    let texts = Tutum::ALERT_TEXTS;
    assert_eq!(texts.lost, "Tutum Stream connection closed.");
    assert_eq!(texts.key, Some("tutum-stream"));
}
