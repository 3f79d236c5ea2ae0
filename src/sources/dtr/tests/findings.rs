use proptest::prelude::*;

use super::*;
use crate::sources::dtr::reference::Scan;

fn details(answer: &Value) -> Value {
    scan::to_json(answer, Scan::Detailed, "https://dtr.example/x").expect("a scan")
}

fn lines(answer: &Value) -> String {
    let json = details(answer);
    let lines: Vec<_> =
        json["lines"].as_array().expect("a list").iter().map(|line| line.as_str().expect("text").to_owned()).collect();
    lines.join("\n")
}

/// As `imagescan/repositories/…?detailed=true` answers, and some versions post.
fn nested() -> Value {
    let vuln = |cve: &str, cvss: f64| json!({"vuln": {"cve": cve, "cvss": cvss, "summary": "An overflow."}, "exact": true, "notes": ""});
    json!([{"namespace": "foo", "reponame": "bar", "tag": "1.0", "critical": 1, "major": 1, "minor": 1, "last_scan_status": 6,
    "layer_details": [
        {"sha256sum": "aa11", "components": [
            {"component": "openssl", "version": "1.0.2g", "fullpath": ["lib/libssl.so"], "vulns": [vuln("CVE-2016-2177", 7.5), vuln("CVE-2016-0702", 1.9)]},
            {"component": "zlib", "version": "1.2.8", "vulns": []},
        ]},
        {"sha256sum": "bb22", "components": [{"component": "curl", "version": "7.47", "vulns": [vuln("CVE-2018-0500", 6.8), {}]}]},
    ]}])
}

/// As `imagescan/scansummary/repositories/…` answers.
fn listed() -> Value {
    json!([{"scanStatus": 6, "shouldRescan": false, "scannedImage": {
    "totalVulnCount": {"critical": 1, "major": 1, "minor": 1},
    "layers": [{"digest": "sha256:aa11", "components": [1, 2]}, {"digest": "sha256:bb22", "components": [{"componentPK": 3}, 1]}],
    "components": [
        {"componentPK": 1, "name": "openssl", "version": "1.0.2g", "cves": ["CVE-2016-2177", "CVE-2016-0702"], "filepaths": ["lib/libssl.so"]},
        {"componentPK": 2, "name": "zlib", "version": "1.2.8", "cves": []},
        {"componentPK": 3, "name": "curl", "version": "7.47", "cves": [{"cvePK": "CVE-2018-0500"}, "CVE-2018-9999"]},
    ],
    "cves": [
        {"cvePK": "CVE-2016-2177", "cvss": 7.5, "summary": "An overflow."}, {"cvePK": "CVE-2016-0702", "cvss": "1.9"},
        {"cvePK": "CVE-2018-0500", "cvss": 6.8},
    ]}}])
}

#[test]
fn both_versions_of_the_answer_are_read_alike_worst_first() {
    insta::assert_snapshot!(lines(&nested()), @r"
    CVE-2016-2177 (critical 7.5) in openssl 1.0.2g, layer 1
    CVE-2018-0500 (major 6.8) in curl 7.47, layer 2
    CVE-2016-0702 (minor 1.9) in openssl 1.0.2g, layer 1
    a vulnerability without a name (unrated) in curl 7.47, layer 2
    ");
    insta::assert_snapshot!(lines(&listed()), @r"
    CVE-2016-2177 (critical 7.5) in openssl 1.0.2g, layer 1
    CVE-2018-0500 (major 6.8) in curl 7.47, layer 2
    CVE-2016-0702 (minor 1.9) in openssl 1.0.2g, layer 1
    CVE-2018-9999 (unrated) in curl 7.47, layer 2
    ");
    let json = details(&nested());
    assert_eq!(
        json["findings"][0],
        json!({"cve": "CVE-2016-2177", "severity": "critical", "cvss": 7.5, "summary": "An overflow.", "component": "openssl",
            "version": "1.0.2g", "path": "lib/libssl.so", "layer": 1, "digest": "aa11"})
    );
    assert_eq!((&json["count"], &json["more"]), (&json!(4), &json!(0)));
}

#[test]
fn findings_above_the_limit_are_counted() {
    let vulns: Vec<_> = (0..64).map(|n| json!({"cve": format!("CVE-2020-{n:04}"), "cvss": 5})).collect();
    let twice = [vulns.clone(), vulns].concat();
    let many =
        json!({"critical": 0, "layer_details": [{"components": [{"component": "x".repeat(500), "vulns": twice}]}]});
    let json = details(&many);
    assert_eq!((&json["count"], &json["more"]), (&json!(64), &json!(34)), "the same finding twice is one");
    let lines = json["lines"].as_array().expect("a list");
    assert!(
        lines.len() == 30 && lines.iter().all(|line| line.as_str().is_some_and(|line| line.chars().count() <= 120))
    );
    assert!(json.to_string().len() < 40_000);
}

#[test]
fn of_several_platforms_the_worst_is_shown() {
    let json = details(
        &json!([{"critical": 1, "tag": "a"}, {"critical": 2, "tag": "b"}, {"critical": 1, "major": 9, "tag": "c"}]),
    );
    assert_eq!((&json["tag"], &json["critical"], &json["platforms"]), (&json!("b"), &json!(2), &json!(3)));
}

#[test]
fn the_status_of_an_unfinished_scan_is_shown() {
    for (status, word) in [
        (json!(0), "failed"),
        (json!(1), "unscanned"),
        (json!("2"), "scanning"),
        (json!(9), "unknown (9)"),
        (json!(-1), "unknown"),
        (json!("Pending"), "pending"),
        (Value::Null, "unknown"),
        (json!(u64::MAX), "unknown (18446744073709551615)"),
    ] {
        let json = details(&json!([{"last_scan_status": status, "check_completed_at": "0001-01-01T00:00:00Z"}]));
        assert_eq!(
            (&json["status"], json.get("completed_at"), &json["total"], &json["count"]),
            (&json!(word), None, &json!(0), &json!(0))
        );
    }
}

proptest! {
    #[test]
    fn no_answer_causes_a_panic(which in any::<bool>(), at in 0..1000_usize, byte in any::<u8>(), odd in "[\\[\\]{}\":, a-e0-9]{0,40}") {
        let whole = if which { nested() } else { listed() };
        let mut spoilt = whole.to_string().into_bytes();
        let at = at % spoilt.len();
        spoilt[at] = byte;
        let within = format!(r#"[{{"scanStatus":{odd},"layer_details":{odd},"scannedImage":{{"layers":{odd},"components":{odd},"cves":{odd}}}}}]"#);
        for body in [String::from_utf8_lossy(&spoilt).as_ref(), &within, &odd] {
            if let Ok(answer) = serde_json::from_str(body)
                && let Some(json) = scan::to_json(&answer, Scan::Detailed, "x")
            {
                prop_assert!(json["lines"].as_array().is_some_and(|lines| lines.len() <= 30));
            }
        }
    }
}
