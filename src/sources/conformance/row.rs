//! One row of the table.

use std::collections::VecDeque;

use super::super::{AnySource, SourceConfig};
use crate::config_reader::{ConfigReader, TableReader};
use crate::outbound::Outbound;
use crate::test_support::scripted_server::{ReceivedRequest, Step};

/// How to test one kind of source.
pub(super) struct Row {
    pub(super) kind: &'static str,
    /// `@` is host and port of the stand-in server. Every secret in it contains `s3cr3t`.
    pub(super) toml: &'static str,
    pub(super) has_secrets: bool,
    pub(super) link: Link,
    /// None: the source has no API to fetch from.
    pub(super) look_up: Option<LookUp>,
    /// Whether the source goes on from a stored cursor.
    pub(super) has_cursor: bool,
}

/// How events get to the source.
pub(super) enum Link {
    Posted(Post),
    Connected(Connect),
}

pub(super) struct Post {
    /// The body of a request with at least one event.
    pub(super) body: &'static str,
    /// The headers of an authenticated request with this body.
    pub(super) headers: fn(&[u8]) -> Vec<(&'static str, String)>,
}

pub(super) struct Connect {
    /// One message with one event. Empty: the source is up without any.
    pub(super) event: &'static str,
    /// How many events a truncated message may swallow, because nothing but the text shows where messages end.
    pub(super) swallowed: usize,
    /// How the stand-in server answers a request. It may send some of the messages.
    pub(super) answer: fn(&ReceivedRequest, &mut VecDeque<Vec<u8>>) -> Step,
}

pub(super) struct LookUp {
    /// A reference for which the source sends a request.
    pub(super) reference: &'static str,
    /// Whether a request is for a look-up.
    pub(super) is_look_up: fn(&ReceivedRequest) -> bool,
}

impl Row {
    /// `address` is host and port of the server. The source retries a failed connection after `retry`.
    pub(super) fn open(&self, address: &str, retry: &str) -> AnySource {
        let (config, problems) = self.read(address, retry);
        config.unwrap_or_else(|| panic!("{}: {problems:?}", self.kind)).open(&Outbound::new())
    }

    pub(super) fn read(&self, address: &str, retry: &str) -> (Option<SourceConfig>, Vec<String>) {
        let retry = match self.link {
            Link::Connected(_) => format!("\nretry = {{ first = \"{retry}\", max = \"{retry}\" }}"),
            Link::Posted(_) => String::new(),
        };
        let text = self.toml.replace('@', address) + &retry;
        let reading = ConfigReader::new(&text, &|_| None);
        let tree = reading.tree();
        let table = TableReader::new(&reading, "source.x", &tree);
        let config = SourceConfig::read(self.kind, &table);
        table.finish();
        let problems = reading.into_findings().problems.into_iter().filter(|problem| problem.is_error);
        (config, problems.map(|problem| problem.message).collect())
    }

    pub(super) fn connect(&self) -> Option<&Connect> {
        match &self.link {
            Link::Connected(connect) => Some(connect),
            Link::Posted(_) => None,
        }
    }

    pub(super) fn post(&self) -> Option<&Post> {
        match &self.link {
            Link::Posted(post) => Some(post),
            Link::Connected(_) => None,
        }
    }
}
