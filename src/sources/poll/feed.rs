//! Converts Atom and RSS to JSON: `{ "title": …, "entries": [{ id, title, link, updated, summary }] }`.
//!
//! DTDs are ignored, and with them custom entities. Depth and length are limited, and no input causes a panic.

use jiff::fmt::rfc2822;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::ingress::MAX_ELEMENTS;

/// More than XHTML in a summary needs.
const MOST_NESTED: usize = 128;

/// Whether this is XML, judged by its first character.
pub(super) fn is_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut parser = FeedParser::default();
    loop {
        match reader.read_event().map_err(|_| unreadable("its tags do not match, or it is cut off"))? {
            Event::Start(tag) => parser.open(&tag)?,
            Event::Empty(tag) => {
                parser.open(&tag)?;
                parser.close()?;
            }
            Event::End(_) => parser.close()?,
            Event::Text(text) => parser.add_text(&text.xml10_content()),
            Event::CData(text) => parser.add_text(&text.xml10_content()),
            Event::GeneralRef(entity) => parser.add_text(&resolve(&entity)),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            Event::Eof => return parser.finish(),
        }
    }
}

#[derive(Default)]
struct FeedParser {
    /// The local names of the open elements.
    open: Vec<String>,
    root: String,
    title: String,
    entries: Vec<Value>,
    entry: Option<Entry>,
}

#[derive(Default)]
struct Entry {
    /// The nesting depth of its element.
    depth: usize,
    id: String,
    title: String,
    link: String,
    updated: String,
    /// Used where `updated` is missing.
    published: String,
    summary: String,
    content: String,
}

impl FeedParser {
    fn open(&mut self, tag: &BytesStart) -> Result<(), Fault> {
        let name = tag.local_name().into_inner().to_ascii_lowercase();
        if self.open.is_empty() {
            if !matches!(name.as_str(), "feed" | "rss" | "rdf") {
                return Err(unreadable("it is neither Atom nor RSS"));
            }
            self.root.clone_from(&name);
        }
        if self.open.len() >= MOST_NESTED {
            return Err(unreadable("it is nested too deep"));
        }
        if self.entry.is_none() && matches!(name.as_str(), "entry" | "item") {
            self.entry = Some(Entry { depth: self.open.len(), ..Entry::default() });
        } else if let Some(entry) = self.entry.as_mut().filter(|entry| self.open.len() == entry.depth + 1) {
            // Atom has links in attributes. The one for people has the `rel` "alternate", or none.
            if name == "link"
                && let Some(href) = attribute(tag, "href")
                && attribute(tag, "rel").is_none_or(|rel| rel == "alternate")
            {
                entry.link = href;
            }
        }
        self.open.push(name);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.open.pop().ok_or_else(|| unreadable("its tags do not match"))?;
        if self.entry.as_ref().is_some_and(|entry| entry.depth == self.open.len())
            && let Some(entry) = self.entry.take()
        {
            if self.entries.len() == MAX_ELEMENTS {
                return Err(Fault::new("too_large", format!("the feed has more than {MAX_ELEMENTS} entries")));
            }
            self.entries.push(entry.into_json());
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        match &mut self.entry {
            Some(entry) => {
                let Some(name) = self.open.get(entry.depth + 1) else { return };
                // The text of nested elements (XHTML) belongs to the field as well.
                if let Some(field) = entry.field(name) {
                    field.push_str(text);
                }
            }
            None if self.open.last().is_some_and(|name| name == "title") && self.open.len() <= 3 => {
                self.title.push_str(text);
            }
            None => {}
        }
    }

    fn finish(self) -> Result<Value, Fault> {
        match self.open.as_slice() {
            [] if !self.root.is_empty() => Ok(json!({ "title": self.title.trim(), "entries": self.entries })),
            [] => Err(unreadable("it is empty")),
            _ => Err(unreadable("it is cut off")),
        }
    }
}

impl Entry {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "id" | "guid" => &mut self.id,
            "title" => &mut self.title,
            "link" => &mut self.link,
            "updated" | "modified" => &mut self.updated,
            "published" | "pubdate" | "date" | "issued" | "created" => &mut self.published,
            "summary" | "description" => &mut self.summary,
            "content" | "encoded" => &mut self.content,
            _ => return None,
        })
    }

    fn into_json(self) -> Value {
        let first = |one: &str, other: &str| if one.trim().is_empty() { other.trim() } else { one.trim() }.to_owned();
        let fields = [
            ("id", first(&self.id, &self.link)),
            ("title", self.title.trim().to_owned()),
            ("link", self.link.trim().to_owned()),
            ("updated", normalize_time(&first(&self.updated, &self.published))),
            ("summary", first(&self.summary, &self.content)),
        ];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Value::Object(fields.map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
    }
}

/// RSS has the date format of e-mail. An unreadable time stays as it is.
fn normalize_time(text: &str) -> String {
    rfc2822::parse(text).map_or_else(|_| text.to_owned(), |time| time.timestamp().to_string())
}

fn attribute(tag: &BytesStart, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let found = attributes
        .with_checks(false)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().into_inner() == name)?;
    let value = found.normalized_value(XmlVersion::Explicit1_0).unwrap_or_else(|_| found.value.clone());
    Some(value.into_owned())
}

/// The five entities of XML and character references. Other entities stay as they are.
fn resolve(entity: &BytesRef<'_>) -> String {
    if entity.is_char_ref() {
        let character = entity.resolve_char_ref().ok().flatten();
        return character.unwrap_or(char::REPLACEMENT_CHARACTER).to_string();
    }
    resolve_predefined_entity(entity).map_or_else(|| format!("&{};", &**entity), str::to_owned)
}

fn unreadable(why: &'static str) -> Fault {
    Fault::new("garbled", format!("the answer is not a readable feed: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ATOM: &str = r#"<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Releases</title>
        <entry><id>tag:1</id><title type="html">v1 &amp; more</title><link rel="self" href="/self"/><link href="https://x.example/1"/>
        <published>2020-01-01T00:00:00Z</published><updated>2020-01-02T00:00:00Z</updated>
        <content type="xhtml"><div>new <b>things</b><title>inner</title></div></content></entry></feed>"#;
    const RSS: &str = r#"<rss version="2.0"><channel><title>Status</title><item><title>Outage</title><link>https://x.example/2</link>
        <pubDate>Mon, 13 Oct 2014 11:01:43 +0000</pubDate><description><![CDATA[<p>down &nbsp;</p>]]></description></item>
        <item><guid>g3</guid></item></channel></rss>"#;

    #[test]
    fn atom_and_rss_become_the_same_json() {
        let atom = json!({"title": "Releases", "entries": [{"id": "tag:1", "title": "v1 & more", "link": "https://x.example/1",
            "updated": "2020-01-02T00:00:00Z", "summary": "new thingsinner"}]});
        assert_eq!(parse(ATOM.as_bytes()), Ok(atom));
        let rss = json!({"title": "Status", "entries": [{"id": "https://x.example/2", "title": "Outage", "link": "https://x.example/2",
            "updated": "2014-10-13T11:01:43Z", "summary": "<p>down &nbsp;</p>"}, {"id": "g3"}]});
        assert_eq!(parse(RSS.as_bytes()), Ok(rss));
    }

    #[test]
    fn invalid_feeds_are_reported() {
        for bad in ["", "<html></html>", "<feed>", "<feed></rss>", "<feed><entry>", "</feed>"] {
            assert_eq!(parse(bad.as_bytes()).expect_err(bad).reason(), "garbled");
        }
        assert!(parse(format!("<feed>{}", "<a>".repeat(5000)).as_bytes()).is_err());
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><feed><title>&a;</title></feed>";
        assert_eq!(parse(bomb.as_bytes()), Ok(json!({"title": "&a;", "entries": []})));
        assert!(is_markup(b"\xef\xbb\xbf <feed/>") && !is_markup(b" {}") && !is_markup(b""));
    }

    proptest! {
        #[test]
        fn no_input_causes_a_panic(at in 0..ATOM.len(), byte in any::<u8>(), soup in "[<>/a-e&;\"= !\\[\\]]{0,80}") {
            for whole in [ATOM, RSS] {
                let mut bytes = whole.as_bytes().to_vec();
                if let Some(target) = bytes.get_mut(at) {
                    *target = byte;
                }
                let _either = parse(&bytes);
                let _either = parse(whole.as_bytes().get(..at).unwrap_or_default());
            }
            let _either = parse(format!("<feed>{soup}").as_bytes());
            let _either = parse(soup.as_bytes());
        }
    }
}
