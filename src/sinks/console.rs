use super::{Manner, Sink};
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;
use crate::said::Table;

#[derive(Debug)]
pub struct Config {}

impl Config {
    pub(super) fn read(_table: &Table) -> Option<Self> {
        Some(Self {})
    }
}

#[derive(Debug)]
pub struct Console {}

impl Console {
    pub(super) fn open(_config: Config, _net: &Outbound) -> Self {
        Self {}
    }
}

impl Sink for Console {
    async fn send(&self, _message: &Message) -> Result<Receipt, SendError> {
        Err(SendError::NeverMessage(Fault::new("stub", "not built")))
    }

    fn manner(&self) -> Manner {
        Manner { markup: Markup::Plain, rate: None, burst: 1, chat: true, destination: String::new() }
    }
}
