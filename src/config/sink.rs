//! The settings of a sink: its kind's own, and those that all sinks share.

use super::component::Component;
use crate::delivery::LaneConfig;
use crate::event::Name;
use crate::sinks::SinkConfig;

#[derive(Debug)]
pub struct SinkSettings {
    pub name: Name,
    pub config: SinkConfig,
    pub lane: LaneConfig,
}

impl SinkSettings {
    /// None if there are problems, which are reported.
    pub(super) fn read(component: &Component) -> Option<Self> {
        let Component { kind, name, table, .. } = component;
        let config = SinkConfig::read(kind, table);
        let lane = LaneConfig::read(table);
        Some(Self { name: Name::from(&*name.value), config: config?, lane })
    }
}
