use super::*;

#[test]
fn credentials_and_address_are_asked_for_together() {
    for (text, wanted) in [
        ("token = { env = \"DTR_TOKEN\" }", "these credentials are for the registry's API, but `api` is not set"),
        ("api = \"https://dtr.example\"\nuser = \"alice\"", "`user` is here, but `token` is missing"),
        ("api = \"dtr.example\"", "this is no URL: relative URL without a base"),
        (
            "api = \"https://alice:x@dtr.example\"",
            "this URL holds a user or a password; credentials have keys of their own",
        ),
        (
            "api = \"https://dtr.example\"\ntoken = { env = \"NEWLINE\" }",
            "this secret holds a character that no HTTP header can (a newline, perhaps)",
        ),
        (
            "api = \"https://dtr.example\"\nfingerprint = \"ab\"\nca_file = \"x\"",
            "`ca_file` and `fingerprint` exclude each other",
        ),
        ("apt = 1", "unknown key `apt`"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
    let (config, problems) = read("optional = true\napi = \"https://dtr.example\"\ntoken = { env = \"UNSET\" }");
    assert!(config.is_none() && problems.is_empty(), "{problems:?}");
}

#[test]
fn the_path_may_be_the_seeds_and_the_room_is_what_is_said() {
    let source = dtr("path = { env = \"GCHAT_WEBHOOK_ENDPOINT\" }\nverify = \"none\"\nmax_body = \"2MiB\"");
    let hook = Source::hook(&source).expect("it has one");
    assert!(hook.is_whole() && !hook.is_open());
    assert_eq!((hook.shown("dtr"), hook.max_body()), ("the path of env GCHAT_WEBHOOK_ENDPOINT".into(), 2 << 20));
}

#[test]
fn nothing_printed_shows_a_credential() {
    let source = dtr(
        "api = \"https://dtr.example\"\nuser = \"alice\"\ntoken = { env = \"DTR_TOKEN\" }\nverify = { path = { env = \"KEY\" } }",
    );
    let printed = format!("{source:?}");
    assert!(!printed.contains(TOKEN) && !printed.contains("1f81eb52") && !printed.contains("YWxpY2U6"), "{printed}");
}
