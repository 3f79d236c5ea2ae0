//! `[source.tutum.NAME]`

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::{Api, basic, secret_header};
use crate::secret::Secret;
use crate::sources::Settings;
use crate::websocket::{Address, ConnectionConfig};

const STREAM: &str = "wss://stream.tutum.co/v1/events";
const API: &str = "https://dashboard.tutum.co";

/// The filters that Docker Cloud's stream supports.
const FILTERS: [&str; 3] = ["type", "object", "parent"];

#[derive(Debug)]
pub struct Config {
    pub(super) stream: Address,
    pub(super) api: Api,
    pub(super) connection: ConnectionConfig,
    /// The keys of the credentials, for the error text when they are refused.
    pub(super) credentials: String,
}

enum Credentials {
    /// `TUTUM_AUTH`: the value of the authorization header.
    Header(Spanned<Secret>),
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
        let api = Api::read(table.reader, &api);
        let in_header = table.word("send_auth", &["query", "header"]) == Some("header");
        let credentials = Credentials::read(table);
        let (mut stream, mut api, credentials) = (stream?, api?, credentials?);
        credentials.add_to_stream(table, &mut stream, in_header)?;
        credentials.add_to_api(table, &mut api)?;
        Some(Self { stream, api, connection, credentials: credentials.name() })
    }
}

/// The stream's address with namespace and filters, without credentials.
fn stream(table: &TableReader) -> Option<Address> {
    let url = text_or(table, "url", STREAM);
    let mut address = Address::read(table.reader, &url);
    if let Some(namespace) = table.text("namespace") {
        let wrong = |what: &str| table.reader.problem(Problem::error(namespace.span.clone(), what));
        let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if namespace.value.is_empty() || !is_word(&namespace.value) {
            wrong("a namespace is letters, digits, `-` and `_`");
        } else if let Some(address) = &mut address
            && !address.insert_segment(&namespace.value, "events")
        {
            wrong("`namespace` needs a `url` with `events` in its path");
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

fn text_or(table: &TableReader, key: &'static str, default: &str) -> Spanned<String> {
    table.text(key).unwrap_or_else(|| Spanned { value: default.to_owned(), span: table.span.clone() })
}

impl Credentials {
    fn read(table: &TableReader) -> Option<Self> {
        let (user, token, auth) = (table.text_or_secret("user"), table.secret("token"), table.secret("auth"));
        let problem = |what: &str, hint: &str| {
            table.reader.problem(Problem::error(table.span.clone(), what).hint(hint));
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
            (false, false, true) => return Some(Self::Header(auth?)),
            (_, _, true) => problem(
                "set either `auth`, or `user` and `token`, not both",
                "keep `user` and `token` (TUTUM_USERNAME, TUTUM_TOKEN), or `auth` (TUTUM_AUTH)",
            ),
        }
        None
    }

    fn add_to_stream(&self, table: &TableReader, stream: &mut Address, in_header: bool) -> Option<()> {
        match self {
            Self::Header(auth) if in_header => {
                let value = secret_header(table.reader, auth, auth.value.expose())?;
                stream.header(reqwest::header::AUTHORIZATION, value);
            }
            Self::Pair { user, token } if in_header => {
                let value = basic(user.value.expose(), token.value.expose());
                stream.header(reqwest::header::AUTHORIZATION, secret_header(table.reader, token, &value)?);
            }
            Self::Header(auth) => stream.query("auth", auth.value.expose()),
            Self::Pair { user, token } => {
                stream.query("token", token.value.expose());
                stream.query("user", user.value.expose());
            }
        }
        Some(())
    }

    fn add_to_api(&self, table: &TableReader, api: &mut Api) -> Option<()> {
        let (secret, value) = match self {
            Self::Header(auth) => (auth, auth.value.expose().to_owned()),
            Self::Pair { user, token } => (token, format!("ApiKey {}:{}", user.value.expose(), token.value.expose())),
        };
        api.authorization(secret_header(table.reader, secret, &value)?);
        Some(())
    }

    fn name(&self) -> String {
        match self {
            Self::Header(auth) => format!("`auth` ({})", auth.value.origin()),
            Self::Pair { user, token } => {
                format!("`user` ({}) and `token` ({})", user.value.origin(), token.value.origin())
            }
        }
    }
}
