//! Speaks to the running daemon's desk, and says plainly when nobody is there.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::{Ask, Common};
use super::config_file::{self, Env, Whereabouts, process_env};
use super::failure::{Exit, Failure};
use super::run::runtime;
use crate::admin::{Address, address_file};
use crate::message::Markup;

/// The admin API is on this machine; what takes longer than this is not coming.
const LIMIT: Duration = Duration::from_secs(10);
/// More than any answer has; a desk that sends more is none.
const ANSWER: usize = 64 << 20;
/// Where the admin API is when nothing says otherwise.
const USUAL: &str = "127.0.0.1:8089";

/// One question to the admin API.
#[derive(Debug)]
pub(super) struct Question {
    method: Method,
    path: &'static str,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Question {
    /// Only the words that were said become part of the question.
    pub(super) fn get(path: &'static str, query: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let said = query.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Self { method: Method::GET, path, query: said.collect(), body: None }
    }

    pub(super) fn post(path: &'static str, body: Value) -> Self {
        Self { method: Method::POST, path, query: Vec::new(), body: Some(body) }
    }
}

/// Asks the daemon that `common` and `ask` mean.
pub(super) fn ask(common: &Common, ask: &Ask, question: Question) -> Result<Value, Failure> {
    let admin = AdminClient::find(ask.admin.as_deref(), &config_file::path(common, &process_env), &process_env)?;
    runtime()?.block_on(admin.ask(question))
}

/// The answer in its form.
pub(super) fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| {
        Failure::new(Exit::Unreachable, format!("the admin API's answer cannot be understood: {error}"))
    })
}

#[derive(Debug)]
struct AdminClient {
    url: Url,
    /// How we know, for whoever wonders why nobody answers there.
    because: String,
}

impl AdminClient {
    fn find(said: Option<&str>, config: &Path, env: Env) -> Result<Self, Failure> {
        if let Some(said) = said {
            return Self::at(said, "as --admin says".to_owned());
        }
        if let Some(said) = env("TIDINGS_ADMIN") {
            return Self::at(&said, "as TIDINGS_ADMIN says".to_owned());
        }
        let whereabouts = Whereabouts::read(config, env);
        let mut tried = Vec::new();
        for file in whereabouts.states.iter().map(|state| address_file(state)) {
            match Address::read(&file) {
                Ok(address) => return Self::at(&address.to_string(), format!("as {} says", file.display())),
                Err(error) => tried.push(format!("{} cannot be read: {error}", file.display())),
            }
        }
        let tried = tried.join("; ");
        match whereabouts.admin.filter(|admin| !admin.ends_with(":0")) {
            Some(admin) => Self::at(&admin, format!("as `admin` in {} says; {tried}", config.display())),
            None => Self::at(USUAL, format!("the usual place; {tried}")),
        }
    }

    fn at(said: &str, because: String) -> Result<Self, Failure> {
        let full = if said.contains("://") { said.to_owned() } else { format!("http://{said}") };
        let url = Url::parse(&full).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{said}` is no address of a desk ({because})"))
                .hint(format!("write it like http://{USUAL}"))
        })?;
        Ok(Self { url, because })
    }

    async fn ask(&self, question: Question) -> Result<Value, Failure> {
        let mut url = self.url.clone();
        url.set_path(question.path);
        url.set_query(None);
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&question.query);
        }
        // Not `outbound`, which is for other people's servers: this one is ours, and no proxy stands between.
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).timeout(LIMIT).no_proxy().build();
        let http = http.map_err(|error| self.silent(&error))?;
        let mut request = http.request(question.method, url);
        if let Some(body) = &question.body {
            request = request.json(body);
        }
        let mut reply = request.send().await.map_err(|error| self.silent(&error))?;
        let status = reply.status();
        let mut text = Vec::new();
        while let Some(part) = reply.chunk().await.map_err(|error| self.silent(&error))? {
            text.extend_from_slice(&part);
            if text.len() > ANSWER {
                return Err(self.strange());
            }
        }
        let answer: Value = serde_json::from_slice(&text).map_err(|_| self.strange())?;
        if status.is_success() {
            return Ok(answer);
        }
        let Some(error) = answer.get("error").and_then(Value::as_str) else { return Err(self.strange()) };
        let exit = match status.as_u16() {
            400..500 => Exit::Usage,
            503 => Exit::Unreachable,
            _ => Exit::Internal,
        };
        let failure = Failure::new(exit, Markup::Plain.escaped(error));
        Err(match answer.get("hint").and_then(Value::as_str) {
            Some(hint) => failure.hint(Markup::Plain.escaped(hint)),
            None => failure,
        })
    }

    fn silent(&self, error: &reqwest::Error) -> Failure {
        let how = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
        let said = format!("the daemon {how} at {} ({})", self.shown(), self.because);
        Failure::new(Exit::Unreachable, said)
            .hint("is it running? start it with `tidings run`, or say with --admin where it is")
    }

    fn strange(&self) -> Failure {
        let said = format!("what answers at {} is no desk of tidings ({})", self.shown(), self.because);
        Failure::new(Exit::Unreachable, said).hint("say with --admin where it is")
    }

    /// Without a password that may stand in it.
    fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

#[cfg(test)]
mod tests;
