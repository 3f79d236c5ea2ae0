use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::config_reader::ConfigReader;
use crate::sources::visitor::Visitor;

fn env(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("It's a Secret to Everybody".to_owned()),
        "OLD" => Some("the one before it".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.github", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn signed(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let digits = mac.finalize().into_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    format!("sha256={hex}")
}

#[tokio::test]
async fn a_signed_delivery_is_taken_and_no_other() {
    let (config, problems) = read("secret = { env = \"SECRET\" }\nold = { env = \"OLD\" }");
    assert_eq!(problems, [""; 0]);
    let mut visitor = Visitor::new("github", Github::open(config.expect("right"), &Outbound::new()));
    let body = r#"{"action":"opened","repository":{"full_name":"octo/hello"}}"#;
    for secret in ["SECRET", "OLD"] {
        let signature = signed(&env(secret).expect("set"), body);
        let said = [("x-github-event", "issues"), ("x-github-delivery", "g-1"), ("x-hub-signature-256", &signature)];
        let (told, events) = visitor.bring(&said, body).await;
        assert_eq!((told, &*events[0].r#type, &*events[0].subject), (Ok(1), "issues.opened", "octo/hello"));
        assert_eq!(visitor.refused(&said, body.replace("octo", "evil")).await.0, 401);
        let ping = signed(&env(secret).expect("set"), "{}");
        assert_eq!(visitor.bring(&[("x-github-event", "ping"), ("x-hub-signature-256", &ping)], "{}").await.0, Ok(0));
    }
    let unsigned = visitor.refused(&[("x-github-event", "push")], body).await;
    assert_eq!(unsigned, (401, "the header `x-hub-signature-256` is missing".into()));
}

#[test]
fn the_secret_must_be_said_and_is_never_open() {
    assert_eq!(read("").1, ["`secret` is missing here"]);
    assert_eq!(read("verify = \"none\"").1, ["`secret` is missing here", "unknown key `verify`"]);
    let (config, problems) = read("optional = true\nsecret = { env = \"UNSET\" }");
    assert!(config.is_none() && problems.is_empty());
    let (config, _) = read("secret = { env = \"SECRET\" }");
    let config = config.expect("right");
    assert!(!Settings::hook(&config).expect("it has one").is_open());
    assert!(!format!("{config:?}").contains("Everybody"));
}
