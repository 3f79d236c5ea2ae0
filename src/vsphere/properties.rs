//! Reading properties of objects with the property collector.

use std::collections::HashMap;
use std::time::Duration;

use tracing::debug;

use super::api_error::ApiError;
use super::call::Call;
use super::element::Element;
use super::reference::Reference;
use super::session::Session;

/// No retrieval has near as many pages.
const MAX_PAGES: usize = 1000;

/// An object's properties and its place in the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub properties: Vec<(String, Element)>,
    /// Nearest first, up to the root folder.
    pub ancestors: Vec<Ancestor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    pub reference: Reference,
    /// Escaped as in the inventory: `/` is `%2f`, `\` is `%5c` and `%` is `%25`.
    pub name: String,
}

impl Found {
    pub fn get(&self, path: &str) -> Option<&Element> {
        self.properties.iter().find(|(known, _)| known == path).map(|(_, value)| value)
    }
}

/// One object of an answer.
struct ObjectContent {
    reference: Reference,
    properties: Vec<(String, Element)>,
    /// What could not be read, and why. Never [`ApiError::SessionLost`], which fails the whole call.
    missing: Vec<(String, ApiError)>,
}

impl Session {
    /// Properties of one object. One that is not set or may not be read is left out; it is an error where nothing at all
    /// can be read.
    pub async fn properties(&self, object: &Reference, paths: &[&str]) -> Result<Vec<(String, Element)>, ApiError> {
        self.properties_within(object, paths, self.client.deadlines.call).await
    }

    pub(super) async fn properties_within(
        &self,
        object: &Reference,
        paths: &[&str],
        budget: Duration,
    ) -> Result<Vec<(String, Element)>, ApiError> {
        let contents = self.retrieve(budget, |set| of_object(set, object, paths)).await?;
        match contents.into_iter().find(|content| content.reference == *object) {
            Some(content) => content.readable(),
            None => Ok(Vec::new()),
        }
    }

    /// The same with the names of all ancestors, in one call.
    pub async fn with_ancestors(&self, object: &Reference, paths: &[&str]) -> Result<Found, ApiError> {
        // Where two specifications fit an object, servers differ in whether the more specific one hides the other.
        let mut own = paths.to_vec();
        own.extend(["name", "parent"].iter().filter(|path| !paths.contains(path)));
        let specify = |set| {
            property(property(set, &object.kind, &own), "ManagedEntity", &["name", "parent"])
                .within("objectSet", |set| upwards(set.reference("obj", object).text("skip", "false")))
        };
        let contents = self.retrieve(self.client.deadlines.call, specify).await?;
        let mut by_reference: HashMap<_, _> =
            contents.into_iter().map(|content| (content.reference.clone(), content)).collect();
        let Some(content) = by_reference.remove(object) else { return Ok(Found::default()) };
        let mut next = content.parent();
        let mut properties = content.readable()?;
        properties.retain(|(name, _)| paths.contains(&name.as_str()));
        let mut ancestors = Vec::new();
        // Each is taken out, so that a circle ends.
        while let Some(content) = next.and_then(|parent| by_reference.remove(&parent)) {
            next = content.parent();
            let name = content.property("name").map(|name| name.text.clone()).unwrap_or_default();
            ancestors.push(Ancestor { reference: content.reference, name });
        }
        Ok(Found { properties, ancestors })
    }

    /// Reads what `specify` selects, and follows the tokens to the last page.
    async fn retrieve(
        &self,
        budget: Duration,
        specify: impl FnOnce(Call) -> Call,
    ) -> Result<Vec<ObjectContent>, ApiError> {
        let collector = self.service("propertyCollector")?;
        let call = Call::on("RetrievePropertiesEx", &collector).within("specSet", specify);
        let mut answer = self.call_within(call.within("options", |options| options), budget).await?;
        let mut contents = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = answer.into_child("returnval") else { return Ok(contents) };
            let token = page.text_of("token").filter(|token| !token.is_empty()).map(str::to_owned);
            for object in page.into_all("objects") {
                contents.push(self.content(object)?);
            }
            let Some(token) = token else { return Ok(contents) };
            let call = Call::on("ContinueRetrievePropertiesEx", &collector).text("token", &token);
            answer = self.call_within(call, budget).await?;
        }
        Err(ApiError::malformed("the properties have no last page"))
    }

    fn content(&self, object: Element) -> Result<ObjectContent, ApiError> {
        let reference = object.child("obj").and_then(Element::reference);
        let reference = reference.ok_or_else(|| ApiError::malformed("an object without its reference"))?;
        let mut content = ObjectContent { reference, properties: Vec::new(), missing: Vec::new() };
        for part in object.children {
            match part.name.as_str() {
                "propSet" => {
                    let name = part.text_of("name").unwrap_or_default().to_owned();
                    // Where both specifications fit an object, some servers send its properties twice.
                    if content.property(&name).is_none()
                        && let Some(value) = part.into_child("val")
                    {
                        content.properties.push((name, value));
                    }
                }
                "missingSet" => {
                    let path = part.text_of("path").unwrap_or_default().to_owned();
                    let fault = part.child("fault").unwrap_or(&part);
                    match ApiError::from_method_fault("RetrievePropertiesEx", fault, &self.redactor) {
                        // A lost session shows here, under status 200.
                        ApiError::SessionLost => return Err(ApiError::SessionLost),
                        error => content.missing.push((path, error)),
                    }
                }
                _ => {}
            }
        }
        Ok(content)
    }
}

impl ObjectContent {
    fn property(&self, wanted: &str) -> Option<&Element> {
        self.properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    fn parent(&self) -> Option<Reference> {
        self.property("parent").and_then(Element::reference)
    }

    fn readable(self) -> Result<Vec<(String, Element)>, ApiError> {
        let Self { reference, properties, mut missing } = self;
        if let Some(gone) = missing.iter().position(|(_, error)| matches!(error, ApiError::NotFound(_))) {
            return Err(missing.swap_remove(gone).1);
        }
        if properties.is_empty() && !missing.is_empty() {
            return Err(missing.swap_remove(0).1);
        }
        for (path, error) in missing {
            debug!(%reference, path, %error, "could not read a property");
        }
        Ok(properties)
    }
}

/// Selects `paths` of this object alone.
pub(super) fn of_object(call: Call, object: &Reference, paths: &[&str]) -> Call {
    property(call, &object.kind, paths).within("objectSet", |set| set.reference("obj", object))
}

/// Selects `paths` of every object of this kind.
fn property(call: Call, kind: &str, paths: &[&str]) -> Call {
    call.within("propSet", |set| set.text("type", kind).texts("pathSet", paths))
}

/// From an object to its parent, and so on up to the root.
fn upwards(call: Call) -> Call {
    call.within_typed("TraversalSpec", "selectSet", |step| {
        step.text("name", "p")
            .text("type", "ManagedEntity")
            .text("path", "parent")
            .text("skip", "false")
            .within("selectSet", |again| again.text("name", "p"))
    })
}
