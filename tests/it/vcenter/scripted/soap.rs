//! Parsing calls, with the order of elements that the WSDL requires, and writing answers.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const VIM: &str = "urn:vim25";

/// One element.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) space: String,
    /// The plain `type` attribute: the kind of a referenced object.
    pub(super) kind: String,
    /// `xsi:type`
    pub(super) class: String,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text at the end of a path of names, or an empty one.
    pub(super) fn text_at(&self, path: &[&str]) -> &str {
        let found = path.iter().try_fold(self, |node, name| node.child(name));
        found.map(|node| node.text.as_str()).unwrap_or_default()
    }

    fn parse(start: &BytesStart, reader: &NsReader<&[u8]>) -> Result<Self, String> {
        let (space, name) = reader.resolver().resolve_element(start.name());
        let mut node = Self { name: text(name.as_ref()), space: space_of(space)?, ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let (space, name) = reader.resolver().resolve_attribute(attribute.key);
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            match (space_of(space)?.as_str(), text(name.as_ref()).as_str()) {
                (XSI, "type") => value.rsplit(':').next().unwrap_or_default().clone_into(&mut node.class),
                ("", "type") => node.kind = value.into_owned(),
                _ => {}
            }
        }
        Ok(node)
    }
}

fn text(name: impl AsRef<str>) -> String {
    name.as_ref().to_owned()
}

fn space_of(space: ResolveResult) -> Result<String, String> {
    match space {
        ResolveResult::Bound(Namespace(space)) => Ok(text(space)),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix} is bound to nothing")),
    }
}

/// The one element in the body of the envelope.
pub(super) fn request(body: &str) -> Result<Node, String> {
    let mut reader = NsReader::from_str(body);
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => open.push(Node::parse(&start, &reader)?),
            Event::Empty(start) => {
                let node = Node::parse(&start, &reader)?;
                open.last_mut().ok_or("too many ends")?.children.push(node);
            }
            Event::End(_) => {
                let node = open.pop().ok_or("too many ends")?;
                open.last_mut().ok_or("too many ends")?.children.push(node);
            }
            Event::Text(text) => open.last_mut().ok_or("no element")?.text.push_str(&text.xml10_content()),
            Event::GeneralRef(entity) => {
                let one = match entity.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(letter) => letter,
                    None => named(&entity.xml10_content())?,
                };
                open.last_mut().ok_or("no element")?.text.push(one);
            }
            Event::Eof => break,
            Event::DocType(_) => return Err("a DOCTYPE".to_owned()),
            _ => {}
        }
    }
    let [document] = &open[..] else { return Err("an element is not closed".to_owned()) };
    let envelope = document.child("Envelope").filter(|node| node.space == ENVELOPE).ok_or("no SOAP envelope")?;
    let body = envelope.child("Body").filter(|node| node.space == ENVELOPE).ok_or("no SOAP body")?;
    let [calls] = &body.children[..] else { return Err("a body has one request".to_owned()) };
    if calls.space != VIM {
        return Err(format!("{} is not in the namespace {VIM}", calls.name));
    }
    check_order("", calls)?;
    Ok(calls.clone())
}

fn named(name: &str) -> Result<char, String> {
    Ok(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        other => return Err(format!("the entity {other} is not known")),
    })
}

/// vCenter requires the order of the WSDL and answers "Unexpected element tag" to any other.
fn check_order(parent: &str, node: &Node) -> Result<(), String> {
    if node.children.is_empty() {
        return Ok(());
    }
    let order = order_of(parent, &node.name).ok_or_else(|| format!("{} has no such parts", node.name))?;
    let mut at = 0;
    for child in &node.children {
        let place = order.iter().position(|name| *name == child.name).filter(|place| *place >= at);
        at = place.ok_or_else(|| format!("Unexpected element tag \"{}\" seen in {}", child.name, node.name))?;
        check_order(&node.name, child)?;
    }
    Ok(())
}

fn order_of(parent: &str, name: &str) -> Option<&'static [&'static str]> {
    Some(match (parent, name) {
        ("", "Login") => &["_this", "userName", "password", "locale"],
        ("", "CreateCollectorForEvents") => &["_this", "filter"],
        ("", "ReadNextEvents") => &["_this", "maxCount"],
        ("", "RetrievePropertiesEx") => &["_this", "specSet", "options"],
        ("", "CreateFilter") => &["_this", "spec", "partialUpdates"],
        ("", "WaitForUpdatesEx") => &["_this", "version", "options"],
        ("", "LogUserEvent") => &["_this", "entity", "msg"],
        ("", _) => &["_this"],
        ("CreateCollectorForEvents", "filter") => &[
            "entity",
            "time",
            "userName",
            "eventChainId",
            "alarm",
            "scheduledTask",
            "disableFullMessage",
            "category",
            "type",
            "tag",
            "eventTypeId",
            "maxCount",
            "delayedInit",
        ],
        ("filter", "entity") => &["entity", "recursion"],
        ("filter", "time") => &["beginTime", "endTime"],
        ("filter", "userName") => &["systemUser", "userList"],
        (_, "specSet" | "spec") => &["propSet", "objectSet", "reportMissingObjectsInResults"],
        (_, "propSet") => &["type", "all", "pathSet"],
        (_, "objectSet") => &["obj", "skip", "selectSet"],
        (_, "selectSet") => &["name", "type", "path", "skip", "selectSet"],
        ("RetrievePropertiesEx", "options") => &["maxObjects"],
        ("WaitForUpdatesEx", "options") => &["maxWaitSeconds", "maxObjectUpdates"],
        _ => return None,
    })
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An answer's envelope. Its prefixes differ from the request's, so that a client has to resolve them.
pub(super) fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:soapenv=\"{ENVELOPE}\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"{XSI}\">\n\
         <soapenv:Body>\n{inner}\n</soapenv:Body>\n</soapenv:Envelope>"
    )
}

/// The content in `<NAMEResponse>`.
pub(super) fn response(name: &str, inner: &str) -> String {
    envelope(&format!("<{name}Response xmlns=\"{VIM}\">{inner}</{name}Response>"))
}

/// The name identifies a fault; its text is for people, in the language of the server.
pub(super) fn fault(name: &str, text: &str, detail: &str) -> String {
    let text = escaped(text);
    envelope(&format!(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring><detail>\
         <{name}Fault xmlns=\"{VIM}\" xsi:type=\"{name}\">{detail}</{name}Fault></detail></soapenv:Fault>"
    ))
}
