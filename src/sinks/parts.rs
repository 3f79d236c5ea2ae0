//! Parts of a message that several sinks lay out alike.

use reqwest::Url;

use crate::message::{Field, Markup, Message, Severity, Signal, Unit, cut};

/// No chat takes much more, and half a link leads nowhere: a longer one is left out.
const LONGEST_LINK: usize = 2000;
/// What URLs may hold as it is, and mentions or Markdown are made of.
const MEANINGFUL: [(char, &str); 8] =
    [('@', "%40"), ('[', "%5B"), (']', "%5D"), ('*', "%2A"), ('|', "%7C"), ('~', "%7E"), ('`', "%60"), ('!', "%21")];
/// Room for the line that says how many fields were left out.
const REMARK: usize = 24;

/// The link as a URL that a strict receiver takes. Templates put events into links, so it may be anything.
pub(super) fn web_address(message: &Message) -> Option<String> {
    let mut url = Url::parse(message.link.as_deref()?.trim()).ok()?;
    let is_of_the_web = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    // Where a link stands in a text, `@everyone` and `[a](b)` within it may be read as more than a link.
    let harmless =
        |part: &str| MEANINGFUL.iter().fold(part.to_owned(), |part, (sign, coded)| part.replace(*sign, coded));
    url.set_path(&harmless(url.path()));
    url.set_query(url.query().map(harmless).as_deref());
    url.set_fragment(url.fragment().map(harmless).as_deref());
    let address = String::from(url);
    (is_of_the_web && address.len() <= LONGEST_LINK).then_some(address)
}

/// The colour that was asked for, if it is one: `#rrggbb`, or one of the three words that Slack began with.
pub(super) fn color(message: &Message) -> Option<&str> {
    let is_hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let color = message.color.as_deref()?;
    let known = matches!(color, "good" | "warning" | "danger") || color.strip_prefix('#').is_some_and(is_hex);
    known.then_some(color)
}

/// The bar of colour as `#rrggbb`: what was asked for, then the signal, then the severity.
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

/// The text within `limit`; where there is none, what happened, which no wording has escaped.
pub(super) fn text(message: &Message, markup: Markup, limit: usize) -> String {
    let said = message.text.trim();
    if !said.is_empty() {
        return cut(said, limit, Unit::Utf16);
    }
    let origin = &message.origin;
    let happened = markup.escaped(format!("{} {}", origin.r#type, origin.subject).trim());
    if happened.trim().is_empty() { "(no text)".to_owned() } else { cut(&happened, limit, Unit::Utf16) }
}

/// What a receiver takes of fields.
pub(super) struct Room {
    pub most: usize,
    pub name: usize,
    pub value: usize,
    pub together: usize,
}

/// The fields as far as there is room, and how many more there are.
pub(super) fn fields(message: &Message, room: &Room) -> Vec<Field> {
    let given: Vec<&Field> = message.fields.iter().filter(|field| !field.value.trim().is_empty()).collect();
    let mut left = room.together.saturating_sub(REMARK);
    let mut fields = Vec::new();
    for field in &given {
        let name = if field.name.trim().is_empty() { "…" } else { field.name.trim() };
        let name = cut(name, room.name, Unit::Utf16);
        let value = cut(field.value.trim(), room.value, Unit::Utf16);
        let size = Unit::Utf16.count(&name) + Unit::Utf16.count(&value);
        if size > left || fields.len() + 1 >= room.most {
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
    fn only_what_leads_somewhere_is_a_link() {
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
        let shown = |most, together| fields(&full, &Room { most, name: 10, value: 20, together });
        assert_eq!(shown(25, 1000).len(), 8);
        assert_eq!(shown(25, 1000)[0].name, "…");
        assert_eq!(shown(3, 1000).last().map(|field| field.value.as_str()), Some("and 6 more"));
        assert_eq!(shown(25, 70).iter().map(|field| field.value.chars().count()).collect::<Vec<_>>(), [20, 20, 10]);
    }
}
