//! `[source.tutum.NAME]`

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::{basic, secret_header};
use crate::secret::Secret;
use crate::sources::Settings;
use crate::sources::api::Api;
use crate::websocket::{Address, ConnectionConfig};

const STREAM: &str = "wss://stream.tutum.co/v1/events";
const API: &str = "https://dashboard.tutum.co";

/// What the successor's stream can be asked to leave out, as it spells it.
const FILTERS: [&str; 3] = ["type", "object", "parent"];

#[derive(Debug)]
pub struct Config {
    pub(super) stream: Address,
    pub(super) api: Api,
    pub(super) connection: ConnectionConfig,
    /// Which keys the credentials are, for when they are refused.
    pub(super) credentials: String,
}

enum Credentials {
    /// `TUTUM_AUTH`: a whole header's value.
    Whole(Spanned<Secret>),
    Pair {
        user: Spanned<Secret>,
        token: Spanned<Secret>,
    },
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let connection = ConnectionConfig::read(table);
        let stream = stream(table);
        let api = text_or(table, "api", API);
        let api = Api::read(table.reading, &api);
        let in_header = table.word("send_auth", &["query", "header"]) == Some("header");
        let credentials = Credentials::read(table);
        let (mut stream, mut api, credentials) = (stream?, api?, credentials?);
        credentials.show_to_stream(table, &mut stream, in_header)?;
        credentials.show_to_api(table, &mut api)?;
        Some(Self { stream, api, connection, credentials: credentials.name() })
    }
}

/// The stream's address with namespace and filters, and without credentials.
fn stream(table: &TableReader) -> Option<Address> {
    let url = text_or(table, "url", STREAM);
    let mut address = Address::read(table.reading, &url);
    if let Some(namespace) = table.text("namespace") {
        let wrong = |said: &str| table.reading.problem(Problem::error(namespace.span.clone(), said));
        let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if namespace.value.is_empty() || !is_word(&namespace.value) {
            wrong("a namespace is letters, digits, `-` and `_`");
        } else if let Some(address) = &mut address
            && !address.insert_segment(&namespace.value, "events")
        {
            wrong("`url` has no `events` in its path, so there is no place for a namespace");
        }
    }
    for key in FILTERS {
        for value in table.texts(key).unwrap_or_default() {
            if let Some(address) = &mut address {
                address.query(key, &value.value);
            }
        }
    }
    address
}

fn text_or(table: &TableReader, key: &'static str, usual: &str) -> Spanned<String> {
    table.text(key).unwrap_or_else(|| Spanned { value: usual.to_owned(), span: table.span.clone() })
}

impl Credentials {
    fn read(table: &TableReader) -> Option<Self> {
        let (user, token, auth) = (table.text_or_secret("user"), table.secret("token"), table.secret("auth"));
        let problem = |said: &str, hint: &str| {
            table.reading.problem(Problem::error(table.span.clone(), said).hint(hint));
        };
        let pair = "user = { env = \"TUTUM_USERNAME\" }, token = { env = \"TUTUM_TOKEN\" }";
        match (table.has("user"), table.has("token"), table.has("auth")) {
            (false, false, false) => problem(
                "Please provide authentication credentials: `user` and `token`, or `auth`",
                &format!("write {pair}, or auth = {{ env = \"TUTUM_AUTH\" }}"),
            ),
            (true, false, false) => problem("`user` is here, but `token` is missing", &format!("write {pair}")),
            (false, true, false) => problem("`token` is here, but `user` is missing", &format!("write {pair}")),
            (true, true, false) => return Some(Self::Pair { user: user?, token: token? }),
            (false, false, true) => return Some(Self::Whole(auth?)),
            (_, _, true) => problem(
                "`auth` stands beside `user` or `token`: one of them is not meant",
                "keep `user` and `token` (TUTUM_USERNAME, TUTUM_TOKEN), or `auth` (TUTUM_AUTH)",
            ),
        }
        None
    }

    fn show_to_stream(&self, table: &TableReader, stream: &mut Address, in_header: bool) -> Option<()> {
        match self {
            Self::Whole(auth) if in_header => {
                let value = secret_header(table.reading, auth, auth.value.expose())?;
                stream.header(reqwest::header::AUTHORIZATION, value);
            }
            Self::Pair { user, token } if in_header => {
                let value = basic(user.value.expose(), token.value.expose());
                stream.header(reqwest::header::AUTHORIZATION, secret_header(table.reading, token, &value)?);
            }
            Self::Whole(auth) => stream.query("auth", auth.value.expose()),
            Self::Pair { user, token } => {
                stream.query("token", token.value.expose());
                stream.query("user", user.value.expose());
            }
        }
        Some(())
    }

    fn show_to_api(&self, table: &TableReader, api: &mut Api) -> Option<()> {
        let (secret, value) = match self {
            Self::Whole(auth) => (auth, auth.value.expose().to_owned()),
            Self::Pair { user, token } => (token, format!("ApiKey {}:{}", user.value.expose(), token.value.expose())),
        };
        api.authorization(secret_header(table.reading, secret, &value)?);
        Some(())
    }

    fn name(&self) -> String {
        match self {
            Self::Whole(auth) => format!("`auth` ({})", auth.value.origin()),
            Self::Pair { user, token } => {
                format!("`user` ({}) and `token` ({})", user.value.origin(), token.value.origin())
            }
        }
    }
}
