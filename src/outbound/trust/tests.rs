//! Who is trusted: reading the keys, and real handshakes with real certificates.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, Request, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use super::{Fingerprint, Trust};
use crate::config_reader::{ConfigReader, TableReader};
use crate::fault::Fault;
use crate::outbound::tls_stage::{PEER, TlsStage, Who};
use crate::outbound::{Answer, Endpoint, Outbound};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn pem() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/outbound/trust/peer.pem"))
}

fn peers_fingerprint() -> Fingerprint {
    Fingerprint::of(&CertificateDer::from_pem_slice(PEER).expect("a certificate"))
}

fn read(toml: &str) -> (Trust, Vec<String>) {
    let none = |_: &str| None;
    let reading = ConfigReader::new(toml, &none);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.vcenter", &tree);
    let trust = Trust::read(&table);
    table.finish();
    (trust, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

async fn ask(stage: &TlsStage, trust: &Trust) -> Result<Answer, Fault> {
    let request = Request::new(Method::GET, Url::parse(&stage.url).expect("a URL"));
    Outbound::new().trusting(trust).exchange(request, 100, Duration::from_secs(20)).await
}

#[tokio::test]
async fn the_right_file_and_the_right_pin_are_trusted() {
    for version in [&TLS12, &TLS13] {
        let stage = TlsStage::open(Who::Peer, version, HELLO).await;
        for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
            let answer = ask(&stage, &trust).await.expect("trusted");
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
        }
    }
}

#[tokio::test]
async fn whoever_is_not_trusted_is_named_with_the_way_to_pin_it() {
    let peer = TlsStage::open(Who::Peer, &TLS13, HELLO).await;
    let fault = ask(&peer, &Trust::System).await.expect_err("nobody knows it");
    assert_eq!(fault.reason(), "tls");
    insta::assert_snapshot!(fault, @r#"the server's certificate is not trusted: nobody who is trusted has signed it (if this is the right one, pin it: fingerprint = "37:37:CD:1E:99:05:CA:E2:72:39:7F:DA:43:0C:CA:CB:9C:45:B1:A6:21:EB:01:99:B7:B5:B1:88:26:9E:52:56")"#);

    let other = TlsStage::open(Who::Other, &TLS13, HELLO).await;
    for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
        let fault = ask(&other, &trust).await.expect_err("somebody else");
        let said = fault.to_string();
        assert_eq!(fault.reason(), "tls", "{said}");
        assert!(said.contains("fingerprint = \"") && !said.contains(&peers_fingerprint().to_string()), "{said}");
    }
}

#[tokio::test]
async fn what_the_fault_says_to_pin_is_what_works() {
    let stage = TlsStage::open(Who::Other, &TLS13, HELLO).await;
    let fault = ask(&stage, &Trust::Pinned(peers_fingerprint())).await.expect_err("another one");
    let said = fault.to_string();
    let (_, pin) = said.split_once("fingerprint = ").expect("the way out");
    let (trust, problems) = read(&format!("fingerprint = {}", pin.trim_end_matches(')')));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(ask(&stage, &trust).await.expect("trusted now").status, 200);
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    for version in [&TLS12, &TLS13] {
        let thief = TlsStage::open(Who::Thief, version, HELLO).await;
        for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
            let fault = ask(&thief, &trust).await.expect_err("a thief");
            assert_eq!(fault.reason(), "tls", "{fault}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_it_is_pinned() {
    let mut stage = TlsStage::open(Who::Peer, &TLS13, HELLO).await;
    stage.url = stage.url.replace("127.0.0.1", "localhost");
    let fault = ask(&stage, &Trust::roots(&pem()).expect("a certificate")).await.expect_err("another name");
    assert!(fault.to_string().contains("localhost") && fault.to_string().contains("fingerprint"), "{fault}");
    assert_eq!(ask(&stage, &Trust::Pinned(peers_fingerprint())).await.expect("pinned").status, 200);
}

#[tokio::test]
async fn posts_are_judged_alike_and_still_say_the_pin() {
    let stage = TlsStage::open(Who::Peer, &TLS13, HELLO).await;
    let to = Endpoint::parse(&stage.url).expect("a URL");
    let net = Outbound::new().trusting(&Trust::System);
    let error = net.post(&to, reqwest::header::HeaderMap::new(), Vec::new()).await.expect_err("nobody knows it");
    let said = error.cause().to_string();
    assert_eq!(error.cause().reason(), "tls");
    assert!(said.contains(&format!("fingerprint = \"{}\"", peers_fingerprint())), "{said}");
}

#[tokio::test]
async fn an_answer_is_read_with_its_headers_up_to_its_limit() {
    let long = format!("HTTP/1.1 418 X\r\nX-Odd: \"1\"\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101));
    let stage = TlsStage::open(Who::Peer, &TLS13, &long).await;
    let trust = Trust::Pinned(peers_fingerprint());
    let fault = ask(&stage, &trust).await.expect_err("too long");
    assert_eq!((fault.reason(), fault.to_string().as_str()), ("too_large", "the answer is longer than 100 bytes"));

    let fits = TlsStage::open(Who::Peer, &TLS13, &long.replace("101", "100").replace("xx", "x")).await;
    let request = Request::new(Method::GET, Url::parse(&fits.url).expect("a URL"));
    let net = Outbound::new().trusting(&trust);
    let cut = net.exchange(request, 200, Duration::from_secs(20)).await.expect_err("half of it");
    assert_eq!(cut.reason(), "reset", "{cut}");
}

#[test]
fn fingerprints_are_read_in_every_form_people_copy() {
    let plain = "3737cd1e9905cae272397fda430ccacb9c45b1a621eb0199b7b5b188269e5256";
    let colons = peers_fingerprint().to_string();
    for text in [plain, &plain.to_uppercase(), &colons, &colons.to_lowercase(), &colons.replace(':', " ")] {
        let (trust, problems) = read(&format!("fingerprint = \"{text}\""));
        assert_eq!((trust, problems), (Trust::Pinned(peers_fingerprint()), Vec::<String>::new()), "{text}");
    }
    assert_eq!(read("").0, Trust::System);
}

#[test]
fn what_cannot_be_trusted_has_its_place_in_the_file() {
    let file = pem();
    let key = file.with_file_name("peer.key");
    for (toml, said) in [
        ("fingerprint = \"zz\"".to_owned(), "`fingerprint`: not hexadecimal digits (AB:CD:…)"),
        ("fingerprint = \"\"".to_owned(), "`fingerprint`: 0 hexadecimal digits; the SHA-256 fingerprint has 64"),
        (format!("fingerprint = \"{}\"", "é".repeat(32)), "`fingerprint`: not hexadecimal digits (AB:CD:…)"),
        (
            format!("fingerprint = \"{}\"", "a".repeat(63)),
            "`fingerprint`: 63 hexadecimal digits; the SHA-256 fingerprint has 64",
        ),
        (
            format!("fingerprint = \"{}\"", "AB:".repeat(20)),
            "`fingerprint`: this is a SHA-1 thumbprint; the SHA-256 fingerprint is wanted \
             (openssl x509 -noout -fingerprint -sha256)",
        ),
        (
            format!("ca_file = {file:?}\nfingerprint = \"{}\"", peers_fingerprint()),
            "`fingerprint` stands beside `ca_file`: one of them is not meant",
        ),
        (
            "ca_file = \"/nowhere.pem\"".to_owned(),
            "`ca_file`: /nowhere.pem cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("ca_file = {key:?}"),
            &format!(
                "`ca_file`: {} cannot be used: it holds no certificate (PEM, `-----BEGIN CERTIFICATE-----`)",
                key.display()
            ),
        ),
    ] {
        assert_eq!(read(&toml), (Trust::System, vec![said.to_owned()]), "{toml}");
    }
    assert!(matches!(read(&format!("ca_file = {file:?}")), (Trust::Roots(_), problems) if problems.is_empty()));
}

#[test]
fn what_is_no_certificate_inside_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("cut", "-----BEGIN CERTIFICATE-----\nMIIB"),
        ("odd", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("empty", ""),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        assert!(Trust::roots(&path).is_err(), "{name}");
    }
}
