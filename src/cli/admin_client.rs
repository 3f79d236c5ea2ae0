//! Calls the running daemon's admin API.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::common::{AdminArgs, Common, process_env};
use super::config_file::{self, DaemonLocation};
use super::failure::{Exit, Failure};
use super::print as output;
use super::run::runtime;
use crate::admin::{Address, address_file};
use crate::config::Env;
use crate::message::Markup;

const TIMEOUT: Duration = Duration::from_secs(10);
/// More than any response of the admin API has.
const MAX_RESPONSE: usize = 64 << 20;
const DEFAULT_ADDRESS: &str = "127.0.0.1:8089";

/// A request to the admin API.
#[derive(Debug)]
pub(super) struct ApiRequest {
    method: Method,
    path: &'static str,
    fields: Map<String, Value>,
}

impl ApiRequest {
    /// The request's fields become the query.
    pub(super) fn get<R: Serialize + Default>(path: &'static str, request: &R) -> Self {
        Self { method: Method::GET, path, fields: set_fields(request) }
    }

    /// The request's fields become the body.
    pub(super) fn post<R: Serialize + Default>(path: &'static str, request: &R) -> Self {
        Self { method: Method::POST, path, fields: set_fields(request) }
    }
}

/// The fields that differ from the default, which the daemon assumes for those left out.
fn set_fields<R: Serialize + Default>(request: &R) -> Map<String, Value> {
    let fields = |request: &R| match serde_json::to_value(request) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let default = fields(&R::default());
    fields(request).into_iter().filter(|(name, value)| default.get(name) != Some(value)).collect()
}

/// A list is written as `1,2,3`.
fn query_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(query_text).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

/// Calls the daemon that the arguments identify, and prints its response.
pub(super) fn show<T: DeserializeOwned>(
    common: &Common,
    admin: &AdminArgs,
    request: ApiRequest,
    text: impl FnOnce(T) -> String,
) -> Result<Exit, Failure> {
    print(admin, call(common, admin, request)?, text)
}

pub(super) fn call(common: &Common, admin: &AdminArgs, request: ApiRequest) -> Result<Value, Failure> {
    let config = config_file::path(common, &process_env);
    let client = AdminClient::find(admin.admin.as_deref(), &config, &process_env)?;
    runtime()?.block_on(client.call(request))
}

/// Prints a response: unchanged with `--json`, else as `text` renders it.
pub(super) fn print<T: DeserializeOwned>(
    admin: &AdminArgs,
    response: Value,
    text: impl FnOnce(T) -> String,
) -> Result<Exit, Failure> {
    let printed = if admin.json {
        format!("{response:#}\n")
    } else {
        text(serde_json::from_value(response).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("the admin API's response cannot be parsed: {error}"))
        })?)
    };
    output::out(&printed)?;
    Ok(Exit::Success)
}

#[derive(Debug)]
struct AdminClient {
    url: Url,
    /// Where the address comes from, for error messages.
    origin: String,
}

impl AdminClient {
    fn find(address: Option<&str>, config: &Path, env: Env) -> Result<Self, Failure> {
        if let Some(address) = address {
            return Self::at(address, "from --admin".to_owned());
        }
        if let Some(address) = env("TIDINGS_ADMIN") {
            return Self::at(&address, "from TIDINGS_ADMIN".to_owned());
        }
        let location = DaemonLocation::read(config, env);
        let mut tried = Vec::new();
        for file in location.state_files.iter().map(|state| address_file(state)) {
            match Address::read(&file) {
                Ok(address) => return Self::at(&address.to_string(), format!("from {}", file.display())),
                Err(error) => tried.push(format!("{} cannot be read: {error}", file.display())),
            }
        }
        let tried = tried.join("; ");
        match location.admin.filter(|admin| !admin.ends_with(":0")) {
            Some(admin) => Self::at(&admin, format!("from `admin` in {}; {tried}", config.display())),
            None => Self::at(DEFAULT_ADDRESS, format!("the default; {tried}")),
        }
    }

    fn at(address: &str, origin: String) -> Result<Self, Failure> {
        let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let url = Url::parse(&full).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{address}` is not an address of an admin API ({origin})"))
                .hint(format!("write it like http://{DEFAULT_ADDRESS}"))
        })?;
        Ok(Self { url, origin })
    }

    async fn call(&self, request: ApiRequest) -> Result<Value, Failure> {
        let ApiRequest { method, path, fields } = request;
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        if method == Method::GET && !fields.is_empty() {
            url.query_pairs_mut().extend_pairs(fields.iter().map(|(name, value)| (name, query_text(value))));
        }
        // Not `outbound`, which is for other services: the admin API is our own, and no proxy is used.
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).timeout(TIMEOUT).no_proxy().build();
        let http = http.map_err(|error| self.unreachable(&error))?;
        let mut request = http.request(method.clone(), url);
        if method == Method::POST {
            request = request.json(&fields);
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&part);
            if body.len() > MAX_RESPONSE {
                return Err(self.not_tidings());
            }
        }
        let response: Value = serde_json::from_slice(&body).map_err(|_| self.not_tidings())?;
        if status.is_success() {
            return Ok(response);
        }
        let Some(error) = response.get("error").and_then(Value::as_str) else { return Err(self.not_tidings()) };
        let exit = match status.as_u16() {
            400..500 => Exit::Usage,
            503 => Exit::Unreachable,
            _ => Exit::Internal,
        };
        let failure = Failure::new(exit, Markup::Plain.escaped(error));
        Err(match response.get("hint").and_then(Value::as_str) {
            Some(hint) => failure.hint(Markup::Plain.escaped(hint)),
            None => failure,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let how = if error.is_timeout() { "does not respond in time" } else { "cannot be reached" };
        let message = format!("the daemon {how} at {} ({})", self.shown(), self.origin);
        Failure::new(Exit::Unreachable, message)
            .hint("is it running? start it with `tidings run`, or set its address with --admin")
    }

    fn not_tidings(&self) -> Failure {
        let message = format!("the server at {} is not the admin API of tidings ({})", self.shown(), self.origin);
        Failure::new(Exit::Unreachable, message).hint("set the address with --admin")
    }

    /// Without a password that the URL may contain.
    fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

#[cfg(test)]
mod tests;
