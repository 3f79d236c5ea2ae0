//! Parts of a message as several sinks need them.

use reqwest::Url;

use crate::message::{Field, Markup, Message, Severity, Signal, Unit, cut};

/// No chat takes much more. A longer link is left out, since half a link is useless.
const LONGEST_LINK: usize = 2000;
/// Valid in a URL, and part of the syntax of mentions or Markdown.
const MARKUP_CHARACTERS: [(char, &str); 8] =
    [('@', "%40"), ('[', "%5B"), (']', "%5D"), ('*', "%2A"), ('|', "%7C"), ('~', "%7E"), ('`', "%60"), ('!', "%21")];
/// Reserved for the field that counts those left out.
const COUNT_FIELD: usize = 24;

/// The link as a URL that a strict receiver accepts. It comes from a template with event data, so it may be anything.
pub(super) fn web_address(message: &Message) -> Option<String> {
    let mut url = Url::parse(message.link.as_deref()?.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    // Within a text, `@everyone` and `[a](b)` in a link would be parsed as markup.
    let encoded = |part: &str| {
        MARKUP_CHARACTERS.iter().fold(part.to_owned(), |part, (character, code)| part.replace(*character, code))
    };
    url.set_path(&encoded(url.path()));
    url.set_query(url.query().map(encoded).as_deref());
    url.set_fragment(url.fragment().map(encoded).as_deref());
    let address = String::from(url);
    (is_web && address.len() <= LONGEST_LINK).then_some(address)
}

/// The message's own colour, if it is valid: `#rrggbb`, or one of Slack's three names.
pub(super) fn color(message: &Message) -> Option<&str> {
    let is_hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let color = message.color.as_deref()?;
    let known = matches!(color, "good" | "warning" | "danger") || color.strip_prefix('#').is_some_and(is_hex);
    known.then_some(color)
}

/// The colour of the bar as `#rrggbb`: the message's own, else by signal, else by severity.
pub(super) fn hex_color(message: &Message) -> &str {
    match (color(message), message.signal, message.severity) {
        (Some("good"), _, _) | (None, Some(Signal::Resolve), _) => "#2eb886",
        (Some("warning"), _, _) | (None, _, Severity::Warning) => "#daa038",
        (Some("danger"), _, _) | (None, _, Severity::Error) => "#a30200",
        (Some(color), _, _) => color,
        (None, _, Severity::Info) => "#439fe0",
        (None, _, Severity::Critical) => "#8b0000",
    }
}

/// The title, unless it is blank, within `limit`.
pub(super) fn title(message: &Message, limit: usize) -> Option<String> {
    let title = message.title.as_deref().map(str::trim).filter(|title| !title.is_empty())?;
    Some(cut(title, limit, Unit::Utf16))
}

/// The text within `limit`, or the event line where there is none.
pub(super) fn text(message: &Message, markup: Markup, limit: usize) -> String {
    let text = message.text.trim();
    let text = if text.is_empty() { event_line(message, markup) } else { text.to_owned() };
    if text.trim().is_empty() { "(no text)".to_owned() } else { cut(&text, limit, Unit::Utf16) }
}

/// As [`text`], with the link on a line of its own where there is no title to carry it.
pub(super) fn text_with_link(message: &Message, markup: Markup, limit: usize, is_titled: bool) -> String {
    match web_address(message).filter(|_| !is_titled) {
        Some(link) => format!("{}\n<{link}>", text(message, markup, limit - link.len() - "\n<>".len())),
        None => text(message, markup, limit),
    }
}

/// Type and subject of the event, for a message without text. The renderer has not escaped these.
pub(super) fn event_line(message: &Message, markup: Markup) -> String {
    let origin = &message.origin;
    markup.escaped(format!("{} {}", origin.r#type, origin.subject).trim())
}

/// What a receiver accepts of fields: how many, and how long each part and all together.
pub(super) struct FieldLimits {
    pub count: usize,
    pub name: usize,
    pub value: usize,
    pub total: usize,
}

/// The fields that fit; the last then counts those left out.
pub(super) fn fields(message: &Message, limits: &FieldLimits) -> Vec<Field> {
    let given: Vec<&Field> = message.fields.iter().filter(|field| !field.value.trim().is_empty()).collect();
    let mut left = limits.total.saturating_sub(COUNT_FIELD);
    let mut fields = Vec::new();
    for field in &given {
        let name = if field.name.trim().is_empty() { "…" } else { field.name.trim() };
        let name = cut(name, limits.name, Unit::Utf16);
        let value = cut(field.value.trim(), limits.value, Unit::Utf16);
        let size = Unit::Utf16.count(&name) + Unit::Utf16.count(&value);
        if size > left || fields.len() + 1 >= limits.count {
            let value = format!("and {} more", given.len() - fields.len());
            fields.push(Field { name: "…".to_owned(), value, short: false });
            break;
        }
        left -= size;
        fields.push(Field { name, value, short: field.short });
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::super::harness::message;
    use super::*;

    #[test]
    fn only_a_complete_web_url_is_a_link() {
        for (link, address) in [
            (" https://x.example/a b<c> ", Some("https://x.example/a%20b%3Cc%3E")),
            ("http://x.example", Some("http://x.example/")),
            ("https://x.example/@everyone?to=@all", Some("https://x.example/%40everyone?to=%40all")),
            ("http://[::1]/[a](b)?c[]=*", Some("http://[::1]/%5Ba%5D(b)?c%5B%5D=%2A")),
            ("https://bank.example@evil.example/", None),
            ("javascript:alert(1)", None),
            ("/api/v1/stack/", None),
            ("", None),
        ] {
            let mut linked = message("x");
            linked.link = Some(link.to_owned());
            assert_eq!(web_address(&linked).as_deref(), address, "{link}");
        }
        let mut endless = message("x");
        endless.link = Some(format!("https://x.example/{}", "a".repeat(2000)));
        assert_eq!((web_address(&endless), web_address(&message("x"))), (None, None));
    }

    #[test]
    fn fields_that_do_not_fit_are_counted() {
        let mut full = message("x");
        full.fields = vec![Field { name: " ".to_owned(), value: "v".repeat(50), short: true }; 9];
        full.fields[0].value = " ".to_owned();
        let shown = |count, total| fields(&full, &FieldLimits { count, name: 10, value: 20, total });
        assert_eq!(shown(25, 1000).len(), 8);
        assert_eq!(shown(25, 1000)[0].name, "…");
        assert_eq!(shown(3, 1000).last().map(|field| field.value.as_str()), Some("and 6 more"));
        assert_eq!(shown(25, 70).iter().map(|field| field.value.chars().count()).collect::<Vec<_>>(), [20, 20, 10]);
    }
}
