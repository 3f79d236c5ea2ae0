//! The tables of relays.toml that connect a daemon to the stand-ins. Their secrets are environment variables.

use super::standins::{PagerDuty, Tutum};

/// `[daemon]` on any free ports, and the source `prod`. Its account is in `TUTUM_USERNAME` and `TUTUM_TOKEN`.
pub fn tutum_config(tutum: &Tutum, daemon_keys: &str, source_keys: &str) -> String {
    let (url, api) = (tutum.stream.url(), tutum.api.url());
    format!(
        r#"[daemon]
listen = "127.0.0.1:0"
admin  = "127.0.0.1:0"
{daemon_keys}
[source.tutum.prod]
user  = {{ env = "TUTUM_USERNAME" }}
token = {{ env = "TUTUM_TOKEN" }}
url   = "{url}"
api   = "{api}"
{source_keys}
"#
    )
}

/// A sink for Slack's incoming webhook, whose address is in `variable`.
pub fn slack_sink(name: &str, variable: &str, keys: &str) -> String {
    format!("[sink.slack.{name}]\nwebhook = {{ env = \"{variable}\" }}\n{keys}\n")
}

/// The sink `oncall`. Its key is in `PAGERDUTY_KEY`.
pub fn pagerduty_sink(pagerduty: &PagerDuty, keys: &str) -> String {
    let url = pagerduty.url();
    format!("[sink.pagerduty.oncall]\nkey = {{ env = \"PAGERDUTY_KEY\" }}\nurl = \"{url}\"\n{keys}\n")
}
