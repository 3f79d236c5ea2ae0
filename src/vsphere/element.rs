//! XML as a plain tree, as far as SOAP answers need it.
//!
//! DTDs are refused, so there are no custom entities. Depth, size and number of elements are bounded, and no input
//! causes a panic.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::reference::Reference;
use crate::fault::Fault;

/// Answers of vCenter are nested less than half as deep.
const MAX_DEPTH: usize = 64;
/// A page of a thousand events has about forty thousand. A tree of a million takes a few hundred MiB.
const MAX_ELEMENTS: usize = 1_000_000;
/// A longer answer is not read from the network either.
pub(super) const MAX_BYTES: usize = 64 << 20;

const XSI: Namespace<'static> = Namespace("http://www.w3.org/2001/XMLSchema-instance");

/// One element. Names come without their prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    /// The value of `xsi:type`, whatever prefix is bound to that namespace, without a prefix of its own.
    pub class: Option<String>,
    /// The value of a plain `type`: the kind of the referenced object.
    pub kind: Option<String>,
    /// Exactly as sent; trimmed where there are children.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The referenced object, if there is one: `<vm type="VirtualMachine">vm-42</vm>`.
    pub fn reference(&self) -> Option<Reference> {
        let id = self.text.trim();
        let kind = self.kind.as_deref()?;
        (!id.is_empty() && !kind.is_empty()).then(|| Reference::new(kind, id))
    }

    /// The first child of that name, taken out of its parent.
    pub(super) fn into_child(self, name: &str) -> Option<Element> {
        self.children.into_iter().find(|child| child.name == name)
    }

    /// The children of that name, taken out of their parent.
    pub(super) fn into_all(self, name: &str) -> impl Iterator<Item = Element> {
        self.children.into_iter().filter(move |child| child.name == name)
    }
}

/// Parses a whole document. A fault quotes nothing of it.
pub fn parse(bytes: &[u8]) -> Result<Element, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(Fault::new("too_large", "the answer is longer than 64 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| match error.error_len() {
        None => cut_off(),
        Some(_) => unreadable("it is not UTF-8"),
    })?;
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event().map_err(|error| broken(&error))?;
        match event {
            Event::Start(tag) => tree.open(element(&reader, &tag)?)?,
            Event::Empty(tag) => {
                tree.open(element(&reader, &tag)?)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.write(&text.xml10_content())?,
            Event::CData(text) => tree.write(&text.xml10_content())?,
            Event::GeneralRef(entity) => tree.write(&resolved(&entity))?,
            // A DTD can define entities that grow without limit, and SOAP forbids DTDs.
            Event::DocType(_) => return Err(unreadable("it contains a DTD, which SOAP forbids")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return tree.into_root(),
        }
    }
}

/// The elements that are open now, outermost first, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), Fault> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(unreadable("it continues after its root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(unreadable("it is nested too deeply"));
        }
        self.count += 1;
        if self.count > MAX_ELEMENTS {
            return Err(Fault::new("too_large", "the answer has more than a million elements"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let mut element = self.open.pop().ok_or_else(|| unreadable("its tags do not match"))?;
        if !element.children.is_empty() {
            let trimmed = element.text.trim().to_owned();
            element.text = trimmed;
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(unreadable("it has text outside of its root element")),
        }
        Ok(())
    }

    fn into_root(self) -> Result<Element, Fault> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            None if self.open.is_empty() => Err(unreadable("it is empty")),
            _ => Err(cut_off()),
        }
    }
}

fn element(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<Element, Fault> {
    let mut element = Element { name: tag.local_name().into_inner().to_owned(), ..Element::default() };
    if element.name.is_empty() {
        return Err(unreadable("a tag has no name"));
    }
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| unreadable("an attribute is invalid"))?;
        if attribute.key.local_name().into_inner() != "type" {
            continue;
        }
        let value = || match attribute.normalized_value(XmlVersion::Explicit1_0) {
            Ok(value) => value,
            // An unknown entity stays as it is.
            Err(_) => attribute.value.clone(),
        };
        match reader.resolver().resolve_attribute(attribute.key).0 {
            ResolveResult::Bound(XSI) => {
                let value = value();
                element.class = Some(value.rsplit(':').next().unwrap_or_default().trim().to_owned());
            }
            ResolveResult::Unbound => element.kind = Some(value().trim().to_owned()),
            ResolveResult::Bound(_) | ResolveResult::Unknown(_) => {}
        }
    }
    Ok(element)
}

/// The five entities of XML and numeric character references. Anything else stays as it is.
fn resolved(entity: &BytesRef<'_>) -> String {
    if entity.is_char_ref() {
        let letter = entity.resolve_char_ref().ok().flatten();
        return letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string();
    }
    match resolve_predefined_entity(entity) {
        Some(text) => text.to_owned(),
        None => format!("&{};", &**entity),
    }
}

fn broken(error: &quick_xml::Error) -> Fault {
    match error {
        // Something is left open, so the end is missing.
        quick_xml::Error::Syntax(_) => cut_off(),
        quick_xml::Error::IllFormed(_) => unreadable("its tags do not match"),
        quick_xml::Error::Namespace(_) => unreadable("its namespaces are invalid"),
        _ => unreadable("its syntax is invalid"),
    }
}

fn cut_off() -> Fault {
    Fault::new("garbled", "the answer's XML is cut off")
}

fn unreadable(why: &'static str) -> Fault {
    Fault::new("garbled", format!("the answer is not valid XML: {why}"))
}
