//! Small languages of operators and senders: silences, patterns, durations, sizes, references.

use tidings::config_reader::{parse_duration, parse_rate, parse_size, print_duration};
use tidings::event::{Body, EventId, path};
use tidings::message::{Markup, Unit, cut};
use tidings::outbound::{SecretUrl, own_host_only};
use tidings::relay::{SilenceMatch, glob_matches};

use crate::engine::{Target, gist};
use crate::relays::event;

/// One match in each line.
#[test]
fn silences() {
    let data = Body::parse(r#"{"state":"Init","n":3,"parents":["a",{"b":true}],"text":"a*b"}"#).expect("JSON");
    let event = event(data);
    let corpus = [
        "type=service.*",
        "data.state!=Init\nrelay=all",
        "data.parents[]=a\ndata.n=3",
        "source=prod\nsubject=/api/*",
        "data.text=***",
        "kind=",
    ];
    let words = &[
        "type",
        "source",
        "subject",
        "relay",
        "data.",
        "data.parents[]",
        "[]",
        ".b",
        "=",
        "!=",
        "*",
        "**",
        "\n",
        "true",
        "3e0",
        "\\*",
    ];
    let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
    Target { name: "silences", corpus, words, longest: 1 << 12 }.fuzz(|bytes| {
        let matches: Vec<_> = String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect();
        match SilenceMatch::parse(&matches) {
            Ok(silence_match) => {
                let takes = silence_match.takes(&event, "all");
                assert!(
                    takes || !silence_match.is_everything(),
                    "a match of everything takes every event: {matches:?}"
                );
                format!("{takes} {}", silence_match.is_everything())
            }
            Err(fault) => gist(&fault.to_string()),
        }
    });
}

#[test]
fn small_words() {
    let corpus = [
        "300ms",
        "7d",
        "1.5MiB",
        "120/min",
        "none",
        "data.parents[].b",
        "service.*.up*date",
        "prod/1",
        "https://u:p@example.com:8443/a?b#c",
        "/api/v1/stack/1/",
        "//evil.example/x",
        "http:\\\\evil",
        "<b>*_~`@everyone <!channel> [x](y)\u{202e}",
        "0b0e3538-88df-4f07-9aed-3a3cc4175076",
    ];
    let words = &[
        "ms",
        "s",
        "m",
        "h",
        "d",
        "GiB",
        "/s",
        "/min",
        ".",
        "[]",
        "*",
        "http://",
        "https://",
        "@",
        ":",
        "/",
        "//",
        "..",
        "%2e",
        "\\",
        "?",
        "#",
        "[::1]",
        "example.com",
    ];
    let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
    let base = "https://api.example.com/v1/".parse().expect("a URL");
    Target { name: "small_words", corpus, words, longest: 1 << 12 }.fuzz(|bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        let span = parse_duration(text);
        if let Ok(span) = span {
            assert_eq!(parse_duration(&print_duration(span)), Ok(span), "{text:?}");
        }
        let own = own_host_only(&base, text);
        if let Ok(url) = &own {
            let parts = (url.scheme(), url.host_str(), url.port_or_known_default(), url.username());
            assert_eq!(parts, ("https", Some("api.example.com"), Some(443), ""), "{text:?} leads to {url}");
        }
        let (short, most) = (cut(text, 100, Unit::Utf16), Unit::Utf16.count(text));
        assert!(Unit::Utf16.count(&short) <= 100 && (most > 100 || short == text), "{text:?}");
        for markup in Markup::ALL {
            assert!(
                !markup.escaped(text).contains("<!channel>") || matches!(markup, Markup::Plain),
                "{markup:?} {text:?}"
            );
        }
        (
            (span.is_ok(), parse_size(text).is_ok(), parse_rate(text).is_ok(), path(text).is_some()),
            (
                own.is_ok(),
                SecretUrl::parse(text).is_ok(),
                glob_matches(text, "service.update"),
                glob_matches("a*b*c", text),
            ),
            matches!(EventId::parse(text), EventId::Given(_)),
        )
    });
}
