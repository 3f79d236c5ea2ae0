//! `[source.websocket.NAME]`

use reqwest::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::ingress::{Labels, Split};
use crate::outbound::{Api, read_headers, read_query};
use crate::relay::{Condition, Template};
use crate::secret::Secret;
use crate::sources::Settings;
use crate::websocket::{Address, ConnectionConfig, LONGEST_MESSAGE};

#[derive(Debug)]
pub struct Config {
    pub(super) stream: Address,
    pub(super) api: Option<Api>,
    pub(super) connection: ConnectionConfig,
    pub(super) labels: Labels,
    /// Sent after connecting. May contain secrets.
    pub(super) subscribe: Vec<Secret>,
    pub(super) split: Option<Split>,
    pub(super) ignore: Option<Box<Condition>>,
    pub(super) ack: Option<Template>,
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let connection = ConnectionConfig::read(table);
        let labels = Labels::read(table, &["data", "body"]);
        let url = table.required_text("url");
        let stream = url.and_then(|url| Address::read(table.reader, &url));
        let base = table.text("api");
        let api = base.as_ref().map(|base| Api::read(table.reader, base));
        let query = read_query(table);
        let mut headers = read_headers(table, is_reserved, "the WebSocket's handshake");
        headers.extend(subprotocol(table).map(|value| (SEC_WEBSOCKET_PROTOCOL, value)));
        let subscribe = table.messages("subscribe");
        let split = Split::read(table);
        let ignore =
            table.text("ignore").and_then(|text| Condition::compile(table.reader, &text, &["data"])).map(Box::new);
        let ack = table.text("ack").and_then(|text| Template::compile(table.reader, &text, &["data"]));
        for message in &subscribe {
            check_length(table, message);
        }

        if table.unset_secret().is_some() {
            return None;
        }
        let mut stream = stream?;
        let mut api = api.map_or(Some(None), |read| read.map(Some))?;
        for (name, value) in query {
            stream.query(&name.value, value.value.expose());
        }
        for (name, value) in headers {
            if let Some(api) = api.as_mut().filter(|_| !name.as_str().starts_with("sec-websocket-")) {
                api.header(name.clone(), value.clone());
            }
            stream.header(name, value);
        }
        let subscribe = subscribe.into_iter().map(|message| message.value).collect();
        Some(Self { stream, api, connection, labels, subscribe, split, ignore, ack })
    }
}

fn is_reserved(name: &HeaderName) -> bool {
    name == CONNECTION
        || name == UPGRADE
        || name.as_str().strip_prefix("sec-websocket-").is_some_and(|rest| rest != "protocol")
}

/// One protocol, or several from which the peer selects one.
fn subprotocol(table: &TableReader) -> Option<HeaderValue> {
    let names = table.texts("subprotocol")?;
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    for wrong in names.iter().filter(|name| !is_token(&name.value)) {
        let problem = Problem::error(wrong.span.clone(), format!("`{}` is not a valid subprotocol", wrong.value));
        table.reader.problem(problem.hint("letters, digits, `-`, `_` and `.`"));
    }
    let names: Vec<_> = names.iter().map(|name| name.value.as_str()).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty())
}

fn check_length(table: &TableReader, message: &Spanned<Secret>) {
    if message.value.expose().len() > LONGEST_MESSAGE {
        let wrong = format!("this message is longer than {LONGEST_MESSAGE} bytes");
        table.reader.problem(Problem::error(message.span.clone(), wrong));
    }
}
