//! The settings of a sink: its kind's own, and those that all sinks share.

use super::component::{Component, Outcome, finish};
use super::names::{CONSOLE, console};
use crate::config_reader::{ConfigReader, Item, TableReader};
use crate::delivery::LaneConfig;
use crate::event::Name;
use crate::sinks::{self, SinkConfig};

#[derive(Debug)]
pub struct SinkSettings {
    pub name: Name,
    pub config: SinkConfig,
    pub lane: LaneConfig,
}

impl SinkSettings {
    pub(super) fn read(component: Component) -> Outcome<Self> {
        let Component { kind, name, table, .. } = component;
        let config = SinkConfig::read(kind, &table);
        let lane = LaneConfig::read(&table);
        finish(name, config, table, |name, config| Self { name, config, lane })
    }

    /// The console that relays without a sink print to.
    pub(super) fn console(reading: &ConfigReader, empty: &Item) -> Option<Self> {
        let config = SinkConfig::read(CONSOLE, &TableReader::new(reading, "sink.console", empty))?;
        Some(Self { name: console(), config, lane: LaneConfig::default() })
    }
}

pub(super) fn list_keys(reading: &ConfigReader, empty: &Item) {
    for kind in sinks::KINDS {
        let mut table = TableReader::new(reading, &format!("sink.{kind}"), empty);
        table.read_optional();
        SinkConfig::read(kind, &table);
        LaneConfig::read(&table);
    }
}
