//! What relays.toml may configure for this kind, and the errors.

use super::*;
use crate::config_reader::{ConfigReader, Item, TableReader};
use crate::outbound::Outbound;
use crate::secret::Origin;
use crate::sources::vcenter::{Config, Vcenter};

const WHOLE: &str =
    "url = \"https://vc.example.com\"\nusername = \"ops@vsphere.local\"\npassword = { env = \"PASSWORD\" }\n";

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let env = |name: &str| match name {
        "PASSWORD" => Some("s3cret".to_owned()),
        "VCENTER_URL" => Some("administrator@vsphere.local:s3cret@vc.example.com:443".to_owned()),
        _ => None,
    };
    let reading = ConfigReader::new(text, &env);
    let tree: Item = reading.tree();
    let mut table = TableReader::new(&reading, "source.vcenter", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    let problems = reading.into_findings().problems;
    (config, problems.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn one_variable_can_hold_the_whole_account() {
    let (config, problems) = read("url = { env = \"VCENTER_URL\" }");
    assert_eq!(problems, [""; 0]);
    let account = config.expect("valid").account;
    assert_eq!(account.url.as_str(), "https://vc.example.com/sdk");
    assert_eq!((account.user.as_str(), account.password.expose()), ("administrator@vsphere.local", "s3cret"));
}

#[test]
fn keys_have_defaults_and_can_all_be_set() {
    let (config, problems) = read(WHOLE);
    assert_eq!(problems, [""; 0]);
    let config = config.expect("valid");
    assert_eq!(
        (config.options.from, config.options.poll, config.options.filter),
        (StartFrom::Now, Duration::from_secs(30), 0)
    );
    assert!(matches!(config.account.password.origin(), Origin::Env(_)));
    let (config, problems) = read(&format!(
        "{WHOLE}from = \"1h\"\npoll = \"60s\"\noverlap = \"10m\"\nfilter = {{ entity = \"Folder:group-v3\", types = \"VmPoweredOnEvent\", users = [\"a\"] }}"
    ));
    assert_eq!(problems, [""; 0]);
    let config = config.expect("valid");
    assert_eq!(config.options.from, StartFrom::Ago(Duration::from_secs(3600)));
    assert_ne!(config.options.filter, 0);
    let filter = config.filter;
    assert_eq!((filter.types.len(), filter.users.len()), (1, 1));
    assert_eq!(filter.entity.expect("one").to_string(), "Folder:group-v3");
}

#[test]
fn errors_name_the_key_and_the_cause() {
    for (text, wanted) in [
        ("", "`url` is missing here"),
        ("url = \"https://vc\"\nusername = \"u\"", "`password` is missing here"),
        ("url = \"https://vc\"\npassword = { env = \"PASSWORD\" }", "`username` is missing here"),
        (
            "url = \"https://vc\"\nusername = \"u\"\npassword = { env = \"NOPE\" }",
            "`password`: the variable NOPE is not set",
        ),
        ("url = { env = \"VCENTER_URL\" }\nusername = \"u\"", "`url` and `username` both give the account"),
        ("url = \"u:s3cret@vc\"", "a password is written into this address"),
        ("url = \"ldap://u:s3cret@vc\"", "`url`: a vCenter's address begins with https"),
        (&format!("{WHOLE}from = \"yesterday\""), "`yesterday` is not a time to start from"),
        (&format!("{WHOLE}poll = \"1h\""), "`poll` is at most 10m"),
        (&format!("{WHOLE}overlap = \"2d\""), "`overlap` is at most 1d"),
        (
            &format!("{WHOLE}filter = {{ entity = \"vm-42\" }}"),
            "`entity`: a reference to an object of vCenter is like VirtualMachine:vm-42",
        ),
        (&format!("{WHOLE}filter = {{ typs = [] }}"), "unknown key `typs`"),
        (
            &format!("{WHOLE}canary = \"15m\"\nfilter = {{ users = \"a\" }}"),
            "`canary` cannot come back through a filter by `types` or `users`",
        ),
        (&format!("{WHOLE}fingerprint = \"xx\""), "`fingerprint`"),
    ] {
        let (_, problems) = read(text);
        assert!(matches!(problems.as_slice(), [problem] if problem.starts_with(wanted)), "{text}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("s3cret")), "{problems:?}");
    }
}

#[test]
fn an_optional_source_without_its_variable_is_left_out_without_an_error() {
    let (config, problems) = read("optional = true\nurl = { env = \"UNSET\" }");
    assert!(config.is_none());
    assert_eq!(problems, [""; 0]);
}

#[test]
fn debug_shows_no_password() {
    let (config, _) = read("url = { env = \"VCENTER_URL\" }");
    let printed = format!("{:?}", Vcenter::open(config.expect("valid"), &Outbound::new()));
    assert!(!printed.contains("s3cret"), "{printed}");
}
