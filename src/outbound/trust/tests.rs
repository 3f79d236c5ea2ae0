//! Reading the keys, and real handshakes with real certificates.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use super::{Fingerprint, Trust};
use crate::config_reader::{ConfigReader, TableReader};
use crate::fault::Fault;
use crate::outbound::{Outbound, Reply, Request, SecretUrl};
use crate::test_support::tls::{PEER, PEER_FILE, ServerCertificate, TlsServer};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn pem() -> PathBuf {
    PathBuf::from(PEER_FILE)
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

fn request(server: &TlsServer, limit: usize) -> Request {
    Request::get(Url::parse(&server.url).expect("a URL")).timeout(Duration::from_secs(20)).reply_limit(limit)
}

async fn get(server: &TlsServer, trust: &Trust) -> Result<Reply, Fault> {
    Outbound::new().trusting(trust).send(request(server, 100)).await
}

#[tokio::test]
async fn the_right_file_and_the_right_pin_are_trusted() {
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start(ServerCertificate::Peer, version, HELLO).await;
        for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
            let reply = get(&server, &trust).await.expect("trusted");
            assert_eq!((reply.status, reply.body.as_slice()), (200, b"hello".as_slice()));
        }
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_named_with_the_way_to_pin_it() {
    let peer = TlsServer::start(ServerCertificate::Peer, &TLS13, HELLO).await;
    let fault = get(&peer, &Trust::System).await.expect_err("untrusted");
    assert_eq!(fault.reason(), "tls");
    insta::assert_snapshot!(fault, @r#"the server's certificate is not trusted: no trusted authority has signed it (if it is the right one, pin it: fingerprint = "37:37:CD:1E:99:05:CA:E2:72:39:7F:DA:43:0C:CA:CB:9C:45:B1:A6:21:EB:01:99:B7:B5:B1:88:26:9E:52:56"; where that key does not exist, add its issuer to this machine's root certificates)"#);

    let other = TlsServer::start(ServerCertificate::Other, &TLS13, HELLO).await;
    for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
        let fault = get(&other, &trust).await.expect_err("another certificate");
        let message = fault.to_string();
        assert_eq!(fault.reason(), "tls", "{message}");
        assert!(
            message.contains("fingerprint = \"") && !message.contains(&peers_fingerprint().to_string()),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_pin_that_a_fault_names_works() {
    let server = TlsServer::start(ServerCertificate::Other, &TLS13, HELLO).await;
    let fault = get(&server, &Trust::Pinned(peers_fingerprint())).await.expect_err("another one");
    let message = fault.to_string();
    let (_, pin) = message.split_once("fingerprint = ").expect("a pin");
    let (pin, _) = pin.split_once(';').expect("an alternative");
    let (trust, problems) = read(&format!("fingerprint = {pin}"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(get(&server, &trust).await.expect("trusted now").status, 200);
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    for version in [&TLS12, &TLS13] {
        let impostor = TlsServer::start(ServerCertificate::PeerWithoutKey, version, HELLO).await;
        for trust in [Trust::roots(&pem()).expect("a certificate"), Trust::Pinned(peers_fingerprint())] {
            let fault = get(&impostor, &trust).await.expect_err("without the key");
            assert_eq!(fault.reason(), "tls", "{fault}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_it_is_pinned() {
    let mut server = TlsServer::start(ServerCertificate::Peer, &TLS13, HELLO).await;
    server.url = server.url.replace("127.0.0.1", "localhost");
    let fault = get(&server, &Trust::roots(&pem()).expect("a certificate")).await.expect_err("another name");
    assert!(fault.to_string().contains("localhost") && fault.to_string().contains("fingerprint"), "{fault}");
    assert_eq!(get(&server, &Trust::Pinned(peers_fingerprint())).await.expect("pinned").status, 200);
}

#[tokio::test]
async fn a_message_to_an_untrusted_server_has_a_verdict_that_names_the_pin() {
    let server = TlsServer::start(ServerCertificate::Peer, &TLS13, HELLO).await;
    let to = SecretUrl::parse(&server.url).expect("a URL");
    for net in [Outbound::new().trusting(&Trust::System), Outbound::new()] {
        let error = net.deliver(Request::post(&to, Vec::new())).await.expect_err("untrusted");
        let message = error.cause().to_string();
        assert!(matches!(error, crate::message::SendError::Later { lane: true, .. }), "{error:?}");
        assert_eq!(error.cause().reason(), "tls");
        assert!(message.contains(&format!("fingerprint = \"{}\"", peers_fingerprint())), "{message}");
    }
}

#[tokio::test]
async fn a_stream_from_an_untrusted_server_names_the_pin() {
    let server = TlsServer::start(ServerCertificate::Peer, &TLS13, HELLO).await;
    let fault = Outbound::new().stream(request(&server, 100)).await.expect_err("untrusted");
    assert!(fault.to_string().contains(&format!("fingerprint = \"{}\"", peers_fingerprint())), "{fault}");
}

#[tokio::test]
async fn a_reply_is_read_up_to_its_limit() {
    let long = format!("HTTP/1.1 418 X\r\nX-Odd: \"1\"\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101));
    let server = TlsServer::start(ServerCertificate::Peer, &TLS13, &long).await;
    let trust = Trust::Pinned(peers_fingerprint());
    let fault = get(&server, &trust).await.expect_err("too long");
    assert_eq!((fault.reason(), fault.to_string().as_str()), ("too_large", "the reply is longer than 100 bytes"));

    let fits = TlsServer::start(ServerCertificate::Peer, &TLS13, &long.replace("101", "100").replace("xx", "x")).await;
    let cut = Outbound::new().trusting(&trust).send(request(&fits, 200)).await.expect_err("half of it");
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
fn a_wrong_key_is_a_problem_at_its_place() {
    let file = pem();
    let key = file.with_file_name("peer.key");
    for (toml, message) in [
        ("fingerprint = \"zz\"".to_owned(), "`fingerprint`: not hexadecimal digits (AB:CD:…)"),
        ("fingerprint = \"\"".to_owned(), "`fingerprint`: 0 hexadecimal digits; the SHA-256 fingerprint has 64"),
        (format!("fingerprint = \"{}\"", "é".repeat(32)), "`fingerprint`: not hexadecimal digits (AB:CD:…)"),
        (
            format!("fingerprint = \"{}\"", "a".repeat(63)),
            "`fingerprint`: 63 hexadecimal digits; the SHA-256 fingerprint has 64",
        ),
        (
            format!("fingerprint = \"{}\"", "AB:".repeat(20)),
            "`fingerprint`: this is a SHA-1 fingerprint; SHA-256 is required \
             (openssl x509 -noout -fingerprint -sha256)",
        ),
        (
            format!("ca_file = {file:?}\nfingerprint = \"{}\"", peers_fingerprint()),
            "`ca_file` and `fingerprint` exclude each other",
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
        assert_eq!(read(&toml), (Trust::System, vec![message.to_owned()]), "{toml}");
    }
    assert!(matches!(read(&format!("ca_file = {file:?}")), (Trust::Roots(_), problems) if problems.is_empty()));
}

#[test]
fn a_file_without_a_valid_certificate_is_refused() {
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
