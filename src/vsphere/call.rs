//! The XML of a call. The caller keeps the order of the WSDL, on which vCenter insists.

use super::reference::Reference;

const BEGIN: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    "\n",
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" "#,
    r#"xmlns:xsd="http://www.w3.org/2001/XMLSchema" "#,
    r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#,
);
const END: &str = "</soapenv:Body></soapenv:Envelope>";

/// One call of one object's method. Values are escaped, tags are not. Has no Debug: a log-in carries the password.
pub(super) struct Call {
    pub(super) name: &'static str,
    text: String,
}

impl Call {
    pub(super) fn on(name: &'static str, this: &Reference) -> Self {
        Self { name, text: format!("{BEGIN}<{name} xmlns=\"urn:vim25\">") }.reference("_this", this)
    }

    pub(super) fn text(mut self, tag: &str, value: &str) -> Self {
        self.open(tag);
        escape(value, &mut self.text);
        self.close(tag);
        self
    }

    pub(super) fn texts(self, tag: &str, values: &[impl AsRef<str>]) -> Self {
        values.iter().fold(self, |call, value| call.text(tag, value.as_ref()))
    }

    pub(super) fn reference(mut self, tag: &str, to: &Reference) -> Self {
        self.text.extend(["<", tag, " type=\""]);
        escape(&to.kind, &mut self.text);
        self.text.push_str("\">");
        escape(&to.id, &mut self.text);
        self.close(tag);
        self
    }

    /// `<tag>` with the children that `children` adds.
    pub(super) fn within(mut self, tag: &str, children: impl FnOnce(Self) -> Self) -> Self {
        self.open(tag);
        let mut call = children(self);
        call.close(tag);
        call
    }

    /// As [`Call::within`], with an `xsi:type`, which is required where the WSDL allows several classes.
    pub(super) fn within_typed(mut self, class: &str, tag: &str, children: impl FnOnce(Self) -> Self) -> Self {
        self.text.extend(["<", tag, " xsi:type=\"", class, "\">"]);
        let mut call = children(self);
        call.close(tag);
        call
    }

    pub(super) fn into_envelope(mut self) -> String {
        self.close(self.name);
        self.text.push_str(END);
        self.text
    }

    fn open(&mut self, tag: &str) {
        self.text.extend(["<", tag, ">"]);
    }

    fn close(&mut self, tag: &str) {
        self.text.extend(["</", tag, ">"]);
    }
}

/// Appends `value` so that a parser reads the same text back, in text and in attributes. A character that XML cannot
/// hold becomes U+FFFD: a call must not fail over one stray control character.
fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // Parsers would normalise these.
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::element::{Element, parse};
    use super::*;

    fn sent(value: &str) -> Element {
        let call = Call::on("Login", &Reference::new("Kind", "id")).text("password", value);
        let envelope = parse(call.into_envelope().as_bytes()).expect("a call is valid XML");
        envelope.into_child("Body").and_then(|body| body.into_child("Login")).expect("the call")
    }

    #[test]
    fn a_hostile_value_adds_no_elements() {
        for value in ["</password><admin/>", "a & b", "]]>", "\"'", "<!--", "&lt;", "a\r\nb\tc ", "ünïcode 🎉", ""]
        {
            let call = sent(value);
            assert_eq!(call.text_of("password"), Some(value));
            assert_eq!(call.children.len(), 2);
        }
        assert_eq!(sent("a\u{1}\u{ffff}b").text_of("password"), Some("a\u{fffd}\u{fffd}b"));
    }

    #[test]
    fn a_hostile_kind_adds_no_attributes() {
        let hostile = Reference::new("A\" onload=\"x\n", "<b>&");
        let call = Call::on("X", &hostile).reference("obj", &hostile).into_envelope();
        assert!(call.contains(r#"<obj type="A&quot; onload=&quot;x&#10;">&lt;b&gt;&amp;</obj>"#), "{call}");
    }

    proptest! {
        #[test]
        fn any_value_is_read_back(value in any::<String>()) {
            let expected: String = value
                .chars()
                .map(|letter| match letter {
                    '\t' | '\n' | '\r' => letter,
                    '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                    letter => letter,
                })
                .collect();
            let call = sent(&value);
            prop_assert_eq!(call.text_of("password"), Some(expected.as_str()));
        }
    }
}
