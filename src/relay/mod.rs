//! Only what the websocket source needs to compile.

use crate::event::Body;
use crate::fault::Fault;
use crate::said::{Reading, Said};

#[derive(Debug, Clone)]
pub struct Template(String);

impl Template {
    pub fn compile(_reading: &Reading, said: &Said<String>, _roots: &[&str]) -> Option<Self> {
        Some(Self(said.value.clone()))
    }

    /// Knows `{{ data.path }}` and nothing else.
    pub fn render_data(&self, body: &Body) -> Result<String, Fault> {
        let Some(path) = self.0.strip_prefix("{{ data.").and_then(|rest| rest.strip_suffix(" }}")) else {
            return Ok(self.0.clone());
        };
        let path = crate::event::path(path).ok_or_else(|| Fault::new("template", "no path"))?;
        Ok(body.plain(&path).unwrap_or_default().into_owned())
    }
}
