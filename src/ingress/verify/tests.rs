//! Published vectors of GitHub, Slack, Standard Webhooks and Jenkins's generic trigger, and damaged ones.

use jiff::Timestamp;
use proptest::prelude::*;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::check::TOLERANCE;
use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::secret::Secret;

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "OLD" => Some("whsec_YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMtbGVuISE=".to_owned()),
        "GITHUB" => Some("It's a Secret to Everybody".to_owned()),
        "SLACK" => Some("8f742231b10e8888abcd99yyyzzz85a5".to_owned()),
        "JENKINS" => Some("gwt-secret".to_owned()),
        "WORD" => Some("open sesame".to_owned()),
        "PATH_END" => Some("1f81eb52-5198-4599".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Verify>, Vec<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.webhook", &tree);
    let verify = Verify::read(&table);
    table.finish();
    let problems = reading.into_findings().problems;
    (verify, problems.into_iter().map(|problem| problem.message).collect())
}

impl Verify {
    fn passes(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        self.check(headers, body, now).map(drop)
    }
}

fn verify(inner: &str) -> Verify {
    let (verify, problems) = read(&format!("verify = {{ {inner} }}"));
    assert_eq!(problems, [""; 0], "{inner}");
    verify.expect("right")
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::try_from(*value).expect("a value"));
    }
    headers
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

const GITHUB: &str = "hmac_sha256 = { env = \"GITHUB\" }, header = \"X-Hub-Signature-256\", prefix = \"sha256=\"";
const HELLO: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn github(value: &str, body: &str) -> Result<(), VerifyError> {
    verify(GITHUB).passes(&headers(&[("x-hub-signature-256", value)]), body.as_bytes(), at(0))
}

#[test]
fn githubs_own_vector_passes_and_nothing_else() {
    assert_eq!(github(HELLO, "Hello, World!"), Ok(()));
    assert_eq!(github(&HELLO.replace("757107ea", "757107EA"), "Hello, World!"), Ok(()));
    let (name, odd) = (HeaderName::from_static("x-hub-signature-256"), VerifyError::Malformed);
    assert_eq!(github(HELLO, "Hello, World?"), Err(VerifyError::Signature));
    assert_eq!(github(&HELLO.replace("e17", "e16"), "Hello, World!"), Err(VerifyError::Signature), "one bit off");
    for bad in [
        &HELLO.replace("sha256=", "sha1="),
        &HELLO.replace("sha256=", "SHA256="),
        &HELLO.replace("sha256=", ""),
        &HELLO.replacen("757", "75g", 1),
        &HELLO.replacen("757", "75+", 1),
        &HELLO.replacen("757", "75", 1),
        "sha256=+5",
        "",
    ] {
        assert_eq!(github(bad, "Hello, World!"), Err(odd(name.clone())), "{bad}");
    }
    assert_eq!(github("sha256=", "Hello, World!"), Err(VerifyError::Signature));
    assert_eq!(github("sha256=7571", "Hello, World!"), Err(VerifyError::Signature), "a beginning is not enough");
    let none = verify(GITHUB).passes(&HeaderMap::new(), b"Hello, World!", at(0));
    assert_eq!(none, Err(VerifyError::Missing(name.clone())));
    let twice = headers(&[("x-hub-signature-256", HELLO), ("x-hub-signature-256", HELLO)]);
    assert_eq!(verify(GITHUB).passes(&twice, b"Hello, World!", at(0)), Err(VerifyError::Repeated(name)));
    // The older signature alone is not accepted.
    let sha1 = headers(&[("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")]);
    assert!(verify(GITHUB).passes(&sha1, b"Hello, World!", at(0)).is_err());
}

#[test]
fn an_old_secret_is_valid_beside_the_new_one() {
    let both = verify(&format!("{GITHUB}, old = {{ env = \"WORD\" }}"));
    let swapped = verify(&GITHUB.replace("GITHUB", "WORD").replace("prefix", "old = { env = \"GITHUB\" }, prefix"));
    let neither = verify(&GITHUB.replace("GITHUB", "WORD"));
    let signed = headers(&[("x-hub-signature-256", HELLO)]);
    assert_eq!(both.passes(&signed, b"Hello, World!", at(0)), Ok(()));
    assert_eq!(swapped.passes(&signed, b"Hello, World!", at(0)), Ok(()));
    assert_eq!(neither.passes(&signed, b"Hello, World!", at(0)), Err(VerifyError::Signature));
}

#[test]
fn jenkins_trigger_signs_in_hex_and_base64() {
    let body = br#"{"ref":"refs/heads/main"}"#;
    let check = |rest: &str, value: &str| {
        let way = format!("hmac_sha256 = {{ env = \"JENKINS\" }}, header = \"X-Signature\"{rest}");
        verify(&way).passes(&headers(&[("x-signature", value)]), body, at(0))
    };
    let hex = "e9aca9702189b29941e207c70d0c4516897a5072d803ee7d62e5275fd052228a";
    let base64 = "6aypcCGJsplB4gfHDQxFFol6UHLYA+59YuUnX9BSIoo=";
    assert_eq!(check("", hex), Ok(()));
    assert_eq!(check(", prefix = \"sha256=\"", &format!("sha256={hex}")), Ok(()));
    assert_eq!(check(", encoding = \"base64\"", base64), Ok(()));
    for odd in ["6aypcCGJsplB4gfHDQxFFol6UHLYA+59YuUnX9BSIoo", "6aypcCGJ*", "é"] {
        let denied = check(", encoding = \"base64\"", odd);
        assert_eq!(denied, Err(VerifyError::Malformed(HeaderName::from_static("x-signature"))), "{odd}");
    }
    assert_eq!(check(", encoding = \"base64\"", &base64.replace("6ay", "6az")), Err(VerifyError::Signature));
}

const SLACK: &str = "hmac_sha256 = { env = \"SLACK\" }, header = \"X-Slack-Signature\", prefix = \"v0=\", \
    timestamp = \"X-Slack-Request-Timestamp\", signed = \"v0:{timestamp}:{body}\"";
const SLASH: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

#[test]
fn slacks_vectors_pass_as_a_signature_with_a_time() {
    const URL: &str = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    const CALLBACK: &str = r#"{"type":"event_callback","event":{"text":"déploiement 🚀 & <ok>"}}"#;
    let late = "1700000000";
    for (stamp, body, signature) in [
        ("1531420618", SLASH, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        (late, URL, "v0=76c303eba32e8ec5639c84f822b2c64cdb1ea7e94fdd6d7b0b958d8e40c0959f"),
        (late, CALLBACK, "v0=507a7ecea1980d8255cf10ff830ffbf70b7e297b08709d03b33f16605215c1b7"),
        (late, "", "v0=e32114b39f9a22e4b8d8778478b39e6ed0677e5562e5474c3104b4074f1917e2"),
    ] {
        let seconds: i64 = stamp.parse().expect("a number");
        let sent = headers(&[("x-slack-signature", signature), ("x-slack-request-timestamp", stamp)]);
        let check = |now| verify(SLACK).passes(&sent, body.as_bytes(), at(now));
        assert_eq!(check(seconds), Ok(()), "{body}");
        let proof = |sent| verify(SLACK).check(sent, body.as_bytes(), at(seconds)).expect("signed");
        let upper = format!("v0={}", signature.replace("v0=", "").to_uppercase());
        let other = headers(&[("x-slack-signature", &upper), ("x-slack-request-timestamp", stamp)]);
        assert!(matches!(proof(&sent), Proof::Signature(_)) && proof(&sent) == proof(&other));
        assert_eq!(check(seconds + 300), Ok(()));
        assert_eq!(check(seconds - 300), Ok(()));
        assert_eq!(check(seconds + 301), Err(VerifyError::Stale(TOLERANCE)), "replayed");
        assert_eq!(check(seconds - 301), Err(VerifyError::Stale(TOLERANCE)), "from the future");
        let moved = headers(&[("x-slack-signature", signature), ("x-slack-request-timestamp", "1531420619")]);
        assert_eq!(verify(SLACK).passes(&moved, body.as_bytes(), at(1_531_420_619)), Err(VerifyError::Signature));
        let unstamped = headers(&[("x-slack-signature", signature)]);
        let missing = VerifyError::Missing(HeaderName::from_static("x-slack-request-timestamp"));
        assert_eq!(verify(SLACK).passes(&unstamped, body.as_bytes(), at(seconds)), Err(missing));
    }
}

const SENT: i64 = 1_614_265_330;
const TEST: &str = r#"{"test": 2432232314}"#;
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const SIGNED_OLD: &str = "v1,wN0e/o9g+TbhzkFuMONZiKp27c9mu1mGvk7E9XFznLk=";
const STANDARD: &str = "standard_webhooks = { env = \"KEY\" }";

fn standard(
    way: &str,
    spelling: usize,
    [id, stamp, signature]: [&str; 3],
    body: &str,
    now: i64,
) -> Result<(), VerifyError> {
    let names =
        [["webhook-id", "webhook-timestamp", "webhook-signature"], ["svix-id", "svix-timestamp", "svix-signature"]];
    let [a, b, c] = names[spelling];
    verify(way).passes(&headers(&[(a, id), (b, stamp), (c, signature)]), body.as_bytes(), at(now))
}

#[test]
fn standard_webhooks_published_vectors_pass_in_both_spellings() {
    let sent = [ID, "1614265330", SIGNED];
    for spelling in [0, 1] {
        assert_eq!(standard(STANDARD, spelling, sent, TEST, SENT), Ok(()));
        assert_eq!(standard(STANDARD, spelling, sent, &TEST.replace('4', "5"), SENT), Err(VerifyError::Signature));
    }
    let body = r#"{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}"#;
    let sent = ["msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "1674087231", "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="];
    assert_eq!(standard(STANDARD, 0, sent, body, 1_674_087_231), Ok(()));
}

#[test]
fn the_id_of_a_delivery_is_the_signed_one_whatever_the_header_names() {
    let svix = [("svix-id", ID), ("svix-timestamp", "1614265330"), ("svix-signature", SIGNED)];
    let resent = [&svix[..], &[("webhook-id", "msg_made_up"), ("webhook-timestamp", "1614265330")]].concat();
    for sent in [&svix[..], &resent] {
        let proof = verify(STANDARD).check(&headers(sent), TEST.as_bytes(), at(SENT));
        assert_eq!(proof, Ok(Proof::Delivery(ID.to_owned())));
    }
    let github = headers(&[("x-hub-signature-256", HELLO), ("webhook-id", ID)]);
    assert_eq!(verify(GITHUB).check(&github, b"Hello, World!", at(0)), Ok(Proof::Sender));
}

#[test]
fn standard_webhooks_accepts_any_of_several_signatures_while_keys_change() {
    let both = format!("{SIGNED_OLD} {SIGNED}");
    for way in [
        STANDARD,
        "standard_webhooks = { env = \"OLD\" }",
        "standard_webhooks = { env = \"OLD\" }, old = { env = \"KEY\" }",
    ] {
        assert_eq!(standard(way, 0, [ID, "1614265330", &both], TEST, SENT), Ok(()), "{way}");
    }
    assert_eq!(standard(STANDARD, 0, [ID, "1614265330", SIGNED_OLD], TEST, SENT), Err(VerifyError::Signature));
    let with_others = format!("v1a,AAAA v2,xyz  {SIGNED} v1,!");
    assert_eq!(standard(STANDARD, 0, [ID, "1614265330", &with_others], TEST, SENT), Ok(()));
}

#[test]
fn wrong_standard_webhooks_are_refused() {
    let signature = |signature: &str| standard(STANDARD, 0, [ID, "1614265330", signature], TEST, SENT);
    for bad in [
        "",
        "v1",
        "v1,",
        "v1,AAAA",
        &SIGNED.replace("v1,", "v2,"),
        &SIGNED.replace("v1,", ""),
        &SIGNED.replace("g0", "g1"),
    ] {
        assert_eq!(signature(bad), Err(VerifyError::Signature), "{bad}");
    }
    let stamp = |stamp: &str, now| standard(STANDARD, 0, [ID, stamp, SIGNED], TEST, now);
    assert_eq!(stamp("1614265330", SENT + 300), Ok(()));
    assert_eq!(stamp("1614265330", SENT + 301), Err(VerifyError::Stale(TOLERANCE)), "replayed");
    assert_eq!(stamp("1614265330", SENT - 301), Err(VerifyError::Stale(TOLERANCE)), "from the future");
    assert_eq!(stamp("1614265331", SENT), Err(VerifyError::Signature), "the time is signed too");
    assert_eq!(standard(STANDARD, 0, ["msg_other", "1614265330", SIGNED], TEST, SENT), Err(VerifyError::Signature));
    let wide = "standard_webhooks = { env = \"KEY\" }, tolerance = \"1h\"";
    assert_eq!(standard(wide, 0, [ID, "1614265330", SIGNED], TEST, SENT + 3600), Ok(()));
    let name = |name| HeaderName::from_static(name);
    let check = |fields: &[(&'static str, &str)]| verify(STANDARD).passes(&headers(fields), TEST.as_bytes(), at(SENT));
    assert_eq!(check(&[]), Err(VerifyError::Missing(name("webhook-id"))));
    let mixed = [("webhook-id", ID), ("webhook-timestamp", "1614265330"), ("svix-signature", SIGNED)];
    assert_eq!(check(&mixed), Err(VerifyError::Missing(name("svix-id"))));
}

#[test]
fn shared_secrets_are_compared_whole() {
    let basic = verify("basic = { user = \"Aladdin\", password = { env = \"WORD\" } }");
    let shown = |verify: &Verify, value: &str| verify.passes(&headers(&[("authorization", value)]), b"", at(0));
    let malformed = Err(VerifyError::Malformed(AUTHORIZATION));
    for good in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] {
        assert_eq!(shown(&basic, good), Ok(()), "{good}");
    }
    assert_eq!(shown(&basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR=="), Err(VerifyError::Credentials));
    assert_eq!(shown(&basic, "Basic "), Err(VerifyError::Credentials));
    assert_eq!(shown(&basic, "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), malformed);
    assert_eq!(shown(&basic, "é"), malformed);

    let bearer = verify("bearer = { env = \"WORD\" }, old = { env = \"JENKINS\" }");
    for good in ["Bearer open sesame", "BEARER   gwt-secret"] {
        assert_eq!(shown(&bearer, good), Ok(()), "{good}");
    }
    for bad in ["Bearer open", "Bearer open sesame2", "Bearer OPEN SESAME"] {
        assert_eq!(shown(&bearer, bad), Err(VerifyError::Credentials), "{bad}");
    }
    assert_eq!(shown(&bearer, "open sesame"), malformed);

    let token = verify("token = { env = \"WORD\" }, header = \"X-Gitlab-Token\"");
    let gitlab = |value: &str| token.passes(&headers(&[("x-gitlab-token", value)]), b"", at(0));
    assert_eq!((gitlab("open sesame"), gitlab("open sesam")), (Ok(()), Err(VerifyError::Credentials)));
    assert_eq!(
        token.passes(&HeaderMap::new(), b"", at(0)),
        Err(VerifyError::Missing(HeaderName::from_static("x-gitlab-token")))
    );
    let whole = verify("token = { env = \"WORD\" }");
    assert_eq!(shown(&whole, "open sesame"), Ok(()), "Harbor sends its secret as the whole header");
}

#[test]
fn unset_and_everyone_are_two_things() {
    let (unset, everyone) = (read("").0.expect("right"), read("verify = \"none\"").0.expect("right"));
    assert!(unset.is_unset() && !everyone.is_unset());
    for open in [unset, everyone] {
        assert_eq!(open.passes(&HeaderMap::new(), b"", at(0)), Ok(()));
    }
    let path = verify("path = { env = \"PATH_END\" }");
    assert_eq!(path.path_secret().map(Secret::expose), Some("1f81eb52-5198-4599"));
}

#[test]
fn invalid_configurations_are_reported() {
    for (text, wanted) in [
        ("verify = \"nobody\"", "`verify` must be a table with a method, or \"none\""),
        ("verify = 3", "`verify` must be a table with a method, or \"none\""),
        ("verify = {}", "`verify` has no method"),
        ("verify = { header = \"X\" }", "`verify` has no method"),
        (
            "verify = { path = { env = \"KEY\" }, token = { env = \"KEY\" } }",
            "`verify` has more than one method: token, path",
        ),
        ("verify = { hmac_sha256 = { env = \"KEY\" } }", "`header` is missing here"),
        ("verify = { hmac_sha256 = { env = \"KEY\" }, header = \"a b\" }", "`a b` is no name of an HTTP header"),
        (
            "verify = { hmac_sha256 = { env = \"KEY\" }, header = \"X\", encoding = \"hexx\" }",
            "`hexx` is not one of hex, base64",
        ),
        (
            "verify = { hmac_sha256 = { env = \"KEY\" }, header = \"X\", signed = \"x\" }",
            "`signed` must hold `{body}`, once",
        ),
        (
            "verify = { hmac_sha256 = { env = \"KEY\" }, header = \"X\", timestamp = \"T\", signed = \"{body}\" }",
            "`timestamp` and a `{timestamp}` in `signed` belong together",
        ),
        (
            "verify = { hmac_sha256 = { env = \"KEY\" }, header = \"X\", signed = \"{timestamp}{body}\" }",
            "`timestamp` and a `{timestamp}` in `signed` belong together",
        ),
        ("verify = { hmac_sha256 = \"\", header = \"X\" }", "`hmac_sha256` is empty and protects nothing"),
        ("verify = { path = \"\" }", "`path` is empty and protects nothing"),
        ("verify = { bearer = { env = \"KEY\" }, old = \"\" }", "`old` is empty and protects nothing"),
        ("verify = { bearer = { env = \"UNSET\" } }", "`bearer`: the variable UNSET is not set"),
        ("verify = { bearer = { env = \"KEY\" }, old = { env = \"UNSET\" } }", "`old`: the variable UNSET is not set"),
        ("verify = { bearer = { env = \"KEY\" }, header = \"X\" }", "unknown key `header`"),
        ("verify = { basic = { user = \"x\" } }", "`password` is missing here"),
        (
            "verify = { standard_webhooks = { env = \"GITHUB\" } }",
            "a key of Standard Webhooks is `whsec_` and 24 to 64 bytes in Base64",
        ),
        ("verify = { path = { env = \"WORD\" } }", "a secret in a path has only letters, digits and `-._~`"),
        (
            "verify = { path = { env = \"JENKINS\" } }",
            "a secret of fewer than 16 characters in a path is easy to guess",
        ),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    for way in [GITHUB, STANDARD, "bearer = { env = \"WORD\" }", "path = { env = \"PATH_END\" }"] {
        let printed = format!("{:?}", verify(way));
        assert!(!printed.contains("Everybody") && !printed.contains("MfKQ"), "{printed}");
        assert!(!printed.contains("sesame") && !printed.contains("1f81"), "{printed}");
    }
}

proptest! {
    #[test]
    fn no_unsigned_request_is_accepted(
        value in "(sha256=|v0=|v1,|Basic |Bearer )?[ -~]{0,80}",
        stamp in "[0-9]{0,20}|[ -~]{0,20}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        now in -377_705_023_201_i64..253_402_207_200,
    ) {
        let names = ["x-hub-signature-256", "x-slack-signature", "webhook-signature", "authorization", "x-gitlab-token"];
        let mut sent: Vec<_> = names.map(|name| (name, value.as_str())).into();
        sent.extend([("x-slack-request-timestamp", stamp.as_str()), ("webhook-timestamp", &stamp), ("webhook-id", "a")]);
        let sent = headers(&sent);
        for way in [GITHUB, SLACK, STANDARD, "bearer = { env = \"WORD\" }", "token = { env = \"WORD\" }, header = \"X-Gitlab-Token\""] {
            prop_assert!(verify(way).passes(&sent, &body, at(now)).is_err());
        }
    }
}
