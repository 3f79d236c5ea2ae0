//! Whom the source believes, and what it says to whoever it does not: names, passwords and certificates.

use super::house::{
    self, hearing, holds_exactly, keeping, logs, to_scripted, to_simulator, to_simulator_untrusted, up,
};
use super::scripted::Scripted;
use super::sim::{self, PASSWORD, Simulator};

#[tokio::test]
async fn an_unknown_certificate_is_refused_with_its_fingerprint_and_the_way_to_pin_it() {
    let Some(mut vcenter) = Simulator::start().await else { return };
    let source = to_simulator_untrusted(&vcenter);
    let pin = sim::fingerprint();
    let untrusting = keeping(&source, PASSWORD).await;
    house::lost(&untrusting).await;
    // People read it with colons, or without.
    let log = untrusting.log().to_lowercase();
    assert!(log.contains(&pin) || log.contains(&pin.replace(':', "")), "{log}");
    assert!(log.contains("fingerprint ="), "{log}");

    let other_ca = format!("{source}\nca_file = \"{}\"", sim::beside("other-ca.pem").display());
    house::lost(&keeping(&other_ca, PASSWORD).await).await;
    let wrong_pin = pin.replace(|letter: char| letter.is_ascii_digit(), "0");
    let mistaken = keeping(&format!("{source}\nfingerprint = \"{wrong_pin}\""), PASSWORD).await;
    house::lost(&mistaken).await;
    assert!(mistaken.log().to_lowercase().contains(&pin), "{}", mistaken.log());
    assert_eq!(vcenter.sessions().await, 0, "nobody who doubts it logs in");

    let pinned = keeping(&format!("{source}\nfingerprint = \"{}\"", pin.to_uppercase()), PASSWORD).await;
    up(&pinned).await;
    vcenter.burst(0, 5).await;
    holds_exactly(&pinned, 0..5).await;
}

#[tokio::test]
async fn an_account_may_stand_in_the_url() {
    let Some(mut vcenter) = Simulator::start().await else { return };
    let ca = sim::beside("ca.pem");
    // As people write it down: without scheme and path, and with what a URL cannot hold as it is.
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
        house::KEEP,
    );
    let url = format!("{whole}@{}", vcenter.address());
    let daemon = crate::daemon::Daemon::start(&config, &[("VCENTER_URL", &url)]).await;
    up(&daemon).await;
    vcenter.burst(0, 5).await;
    holds_exactly(&daemon, 0..5).await;
    assert!(!daemon.log().contains("p%3C") && !daemon.log().contains(PASSWORD), "{}", daemon.log());
}

#[tokio::test]
async fn a_wrong_password_is_said_in_plain_words_and_not_tried_again_and_again() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), "wrong").await;
    house::lost(&daemon).await;
    logs(&daemon, "password").await;
    // The proof needs some time in which a hammering client would have been back: another daemon's whole life.
    let simulated = Simulator::start().await;
    if let Some(vcenter) = &simulated {
        let daemon = keeping(&to_simulator(vcenter), "wrong").await;
        house::lost(&daemon).await;
        logs(&daemon, "password").await;
    }
    let config = format!("{}{}", hearing(&to_scripted(&vcenter), ""), house::KEEP);
    let patient = house::start(&config, super::scripted::PASSWORD).await;
    up(&patient).await;
    vcenter.burst(0..5);
    holds_exactly(&patient, 0..5).await;
    let held = vcenter.held();
    assert!(held.refused_logins <= 2, "{held:?}: accounts get locked by this");
    assert!(!daemon.log().contains("wrong\""), "{}", daemon.log());
    assert_eq!(vcenter.offences(), [""; 0]);
}
