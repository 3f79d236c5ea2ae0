//! Every error in a relays.toml is reported with its position, its line, a caret and a hint, all in one run.
//!
//! `bad/NAME.toml` is an invalid file and `bad/NAME.txt` is the exact report of `tidings check`.
//! After an intended change, write the reports with `BLESS=1 cargo nextest run config`.

use std::path::Path;

use tidings::config::{Config, ConfigError};

fn env(name: &str) -> Option<String> {
    (name == "SLACK_URL").then(|| "https://hooks.slack.com/services/T0/B0/s3cr3t".to_owned())
}

#[test]
fn each_invalid_file_has_exactly_this_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bad");
    let mut files = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).expect("readable");
        let report = match Config::from_text(Path::new("relays.toml"), &text, &env, false) {
            Ok(_) => format!("{} was accepted", path.display()),
            Err(ConfigError::Invalid { report, .. }) => report,
            Err(other) => other.to_string(),
        };
        assert!(!report.contains("s3cr3t") && !report.contains("hunter2"), "a secret is shown: {report}");
        let expected = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &report).expect("writable");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != report {
            wrong.push(format!("{}:\n{report}", path.display()));
        }
    }
    assert!(files >= 15, "only {files} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/relays.toml"), &env, false).expect_err("missing");
    assert!(error.to_string().starts_with("/nowhere/relays.toml cannot be read: No such file"), "{error}");
}

#[test]
fn the_shipped_file_works_with_no_variable_set_and_with_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("relays.toml");
    let config = Config::load(&path, &|_| None, false).expect("valid without any variable");
    assert!(config.sources.is_empty(), "a source without its secret is left out");
    assert_eq!(config.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>(), ["console"]);

    let set = |name: &str| match name {
        "TUTUM_USERNAME" | "TUTUM_TOKEN" | "PAGERDUTY_KEY" => Some("x".repeat(32)),
        "SLACK_URL" => env(name),
        "VCENTER_URL" => Some("user:password@vcenter.example.com:443".to_owned()),
        _ => None,
    };
    let config = Config::load(&path, &set, false).expect("valid with all variables");
    assert_eq!(config.sources.iter().map(|source| &*source.name).collect::<Vec<_>>(), ["prod", "vc"]);
    assert_eq!(config.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>(), ["ops", "oncall"]);
    assert_eq!(config.warnings.len(), 1, "only the sink `room` is left out: {:?}", config.warnings);
}
