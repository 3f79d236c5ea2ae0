use super::*;

#[test]
fn credentials_and_address_are_required_together() {
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
fn the_path_and_the_body_limit_are_configurable() {
    let source = dtr("path = { env = \"GCHAT_WEBHOOK_ENDPOINT\" }\nverify = \"none\"\nmax_body = \"2MiB\"");
    let endpoint = Source::endpoint(&source).expect("an endpoint");
    assert!(endpoint.has_configured_path() && !endpoint.is_unverified());
    assert_eq!(
        (endpoint.public_path("dtr"), endpoint.max_body()),
        ("the path of env GCHAT_WEBHOOK_ENDPOINT".into(), 2 << 20)
    );
}

#[test]
fn debug_output_shows_no_credential() {
    let source = dtr(
        "api = \"https://dtr.example\"\nuser = \"alice\"\ntoken = { env = \"DTR_TOKEN\" }\nverify = { path = { env = \"KEY\" } }",
    );
    let printed = format!("{source:?}");
    assert!(!printed.contains(TOKEN) && !printed.contains("1f81eb52") && !printed.contains("YWxpY2U6"), "{printed}");
}
