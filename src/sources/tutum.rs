use serde_json::Value;

use super::{AlertTexts, Source};
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::said::Table;
use crate::stop::Stop;

#[derive(Debug)]
pub struct Config {}

impl Config {
    pub(super) fn read(_table: &Table) -> Option<Self> {
        Some(Self {})
    }
}

#[derive(Debug)]
pub struct Tutum {}

impl Tutum {
    pub(super) fn open(_config: Config, _net: &Outbound) -> Self {
        Self {}
    }
}

impl Source for Tutum {
    async fn run(&self, _out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        stop.wait().await;
        Ok(())
    }

    async fn look_up(&self, _reference: &str) -> Result<Value, Fault> {
        Err(Fault::new("stub", "not built"))
    }

    fn alert_texts(&self) -> AlertTexts {
        AlertTexts { lost: "", back: "", key: None }
    }
}
