//! `[sink.pagerduty.NAME]`

use crate::config_reader::TableReader;
use crate::outbound::SecretUrl;
use crate::secret::Secret;

const V1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
const V2: &str = "https://events.pagerduty.com/v2/enqueue";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventsApi {
    V1,
    V2,
}

#[derive(Debug)]
pub struct Pagerduty {
    pub(super) api: EventsApi,
    pub(super) url: SecretUrl,
    pub(super) key: Secret,
    pub(super) client: Option<String>,
    pub(super) client_url: Option<String>,
}

impl Pagerduty {
    pub(in crate::sinks) fn read(table: &TableReader) -> Option<Self> {
        let (api, vendor) = match table.word("api", &["v1", "v2"]) {
            Some("v1") => (EventsApi::V1, V1),
            _ => (EventsApi::V2, V2),
        };
        let url = SecretUrl::read_text(table, "url", vendor);
        let client = table.text("client").map(|text| text.value);
        let client_url = table.text("client_url").map(|text| text.value);
        let key = table.secret("key");
        if key.is_none() && !table.has("key") {
            table.missing_with_hint(
                "key",
                Some("Please provide a Pagerduty Service Key: key = { env = \"PAGERDUTY_KEY\" }"),
            );
        }
        let (key, url) = (key?.value, url?.value);
        Some(Self { api, url: url.redacting(key.expose()), key, client, client_url })
    }
}
