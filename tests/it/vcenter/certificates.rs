//! Certificates and credentials: which ones are trusted, and what is logged about the others.

use super::harness::{
    self, assert_stored, config_for, scripted_source, simulator_source, start_relaying, until_logged, until_up,
    untrusted_simulator_source,
};
use super::scripted::ScriptedVcenter;
use super::sim::{self, PASSWORD, Simulator};

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_its_fingerprint_logged() {
    let Some(mut vcenter) = Simulator::start().await else { return };
    let source = untrusted_simulator_source(&vcenter);
    let pin = sim::fingerprint();
    let untrusting = start_relaying(&source, PASSWORD).await;
    harness::until_lost(&untrusting).await;
    // With colons, or without.
    let log = untrusting.log().to_lowercase();
    assert!(log.contains(&pin) || log.contains(&pin.replace(':', "")), "{log}");
    assert!(log.contains("fingerprint ="), "{log}");

    let other_ca = format!("{source}\nca_file = \"{}\"", sim::beside("other-ca.pem").display());
    harness::until_lost(&start_relaying(&other_ca, PASSWORD).await).await;
    let wrong_pin = pin.replace(|letter: char| letter.is_ascii_digit(), "0");
    let mistaken = start_relaying(&format!("{source}\nfingerprint = \"{wrong_pin}\""), PASSWORD).await;
    harness::until_lost(&mistaken).await;
    assert!(mistaken.log().to_lowercase().contains(&pin), "{}", mistaken.log());
    assert_eq!(vcenter.sessions().await, 0, "no password is sent to an untrusted server");

    let pinned = start_relaying(&format!("{source}\nfingerprint = \"{}\"", pin.to_uppercase()), PASSWORD).await;
    until_up(&pinned).await;
    vcenter.burst(0, 5).await;
    assert_stored(&pinned, 0..5).await;
}

#[tokio::test]
async fn an_account_may_stand_in_the_url() {
    let Some(mut vcenter) = Simulator::start().await else { return };
    let ca = sim::beside("ca.pem");
    // Without scheme and path, and with characters that a URL has to escape.
    let whole = "tidings%40vsphere.local:p%3C%26%3Es%2Fw%40rd%3A1";
    let config = format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [source.vcenter.vc]
        url = {{ env = "VCENTER_URL" }}
        ca_file = "{}"
        {}"#,
        ca.display(),
        harness::RELAY_ALL,
    );
    let url = format!("{whole}@{}", vcenter.address());
    let daemon = crate::daemon::Daemon::start(&config, &[("VCENTER_URL", &url)]).await;
    until_up(&daemon).await;
    vcenter.burst(0, 5).await;
    assert_stored(&daemon, 0..5).await;
    assert!(!daemon.log().contains("p%3C") && !daemon.log().contains(PASSWORD), "{}", daemon.log());
}

#[tokio::test]
async fn a_wrong_password_is_logged_and_not_retried_at_once() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), "wrong").await;
    harness::until_lost(&daemon).await;
    until_logged(&daemon, "password").await;
    // During the run of another daemon, a client without a pause would have tried again many times.
    let simulated = Simulator::start().await;
    if let Some(vcenter) = &simulated {
        let daemon = start_relaying(&simulator_source(vcenter), "wrong").await;
        harness::until_lost(&daemon).await;
        until_logged(&daemon, "password").await;
    }
    let config = format!("{}{}", config_for(&scripted_source(&vcenter), ""), harness::RELAY_ALL);
    let patient = harness::start(&config, super::scripted::PASSWORD).await;
    until_up(&patient).await;
    vcenter.burst(0..5);
    assert_stored(&patient, 0..5).await;
    let usage = vcenter.usage();
    assert!(usage.refused_logins <= 2, "{usage:?}: this locks accounts");
    assert!(!daemon.log().contains("wrong\""), "{}", daemon.log());
    assert_eq!(vcenter.violations(), [""; 0]);
}
