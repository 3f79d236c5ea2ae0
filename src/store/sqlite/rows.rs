//! Reads stored rows without trusting them: a bit on disk may have flipped since they were written.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::event::{Body, Event, EventId, Name};
use crate::store::types::DeliveryState;

/// The columns of one row. Reading a damaged column returns a default; [`Columns::damage`] reports it.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    damage: Option<String>,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, damage: None }
    }

    /// The first damage found.
    pub(super) fn damage(self) -> Option<String> {
        self.damage
    }

    fn report(&mut self, column: usize, what: &str) {
        if self.damage.is_none() {
            let name = self.row.as_ref().column_name(column).unwrap_or("column");
            self.damage = Some(format!("the stored `{name}` is damaged: {what}"));
        }
    }

    fn value(&self, column: usize) -> ValueRef<'r> {
        self.row.get_ref(column).unwrap_or(ValueRef::Null)
    }

    pub(super) fn number(&mut self, column: usize) -> i64 {
        match self.value(column) {
            ValueRef::Integer(number) => number,
            other => {
                self.report(column, &format!("expected an integer, found {}", other.data_type()));
                0
            }
        }
    }

    /// The index in [`DeliveryState::ALL`]. An unknown one is damage; as dead it is at least visible.
    pub(super) fn state(&mut self, column: usize) -> DeliveryState {
        let index = usize::try_from(self.number(column)).unwrap_or(usize::MAX);
        DeliveryState::ALL.get(index).copied().unwrap_or(DeliveryState::Dead)
    }

    pub(super) fn count(&mut self, column: usize) -> u32 {
        let number = self.number(column);
        u32::try_from(number).unwrap_or_else(|_| {
            self.report(column, "out of range");
            0
        })
    }

    pub(super) fn is_set(&self, column: usize) -> bool {
        !matches!(self.value(column), ValueRef::Null)
    }

    pub(super) fn time(&mut self, column: usize) -> Timestamp {
        let micros = self.number(column);
        Timestamp::from_microsecond(micros).unwrap_or_else(|_| {
            self.report(column, "out of range");
            Timestamp::UNIX_EPOCH
        })
    }

    pub(super) fn time_if_any(&mut self, column: usize) -> Option<Timestamp> {
        match self.value(column) {
            ValueRef::Null => None,
            _ => Some(self.time(column)),
        }
    }

    /// Comma-separated times; invalid ones are left out.
    pub(super) fn times(&mut self, column: usize) -> Vec<Timestamp> {
        let Some(text) = self.text_if_any(column) else { return Vec::new() };
        let time = |part: &str| part.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let times: Vec<_> = text.split(',').filter_map(time).collect();
        if times.len() != text.split(',').count() {
            self.report(column, "not a list of times");
        }
        times
    }

    pub(super) fn text(&mut self, column: usize) -> Cow<'r, str> {
        match self.value(column) {
            ValueRef::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if matches!(text, Cow::Owned(_)) {
                    self.report(column, "not UTF-8");
                }
                text
            }
            other => {
                self.report(column, &format!("expected text, found {}", other.data_type()));
                Cow::Borrowed("")
            }
        }
    }

    pub(super) fn text_if_any(&mut self, column: usize) -> Option<String> {
        match self.value(column) {
            ValueRef::Null => None,
            _ => Some(self.text(column).into_owned()),
        }
    }

    pub(super) fn name(&mut self, column: usize) -> Name {
        Name::from(&*self.text(column))
    }

    /// `seq, source, kind, type, subject, id, time, crc, body` from column `at` on. A damaged body reads as null.
    pub(super) fn event(&mut self, at: usize) -> Event {
        if matches!(self.value(at), ValueRef::Null) {
            self.damage.get_or_insert_with(|| "the event it belongs to is missing from the state file".to_owned());
        }
        let source = self.name(at + 1);
        let kind = self.name(at + 2);
        let r#type = self.text(at + 3).into();
        let subject = self.text(at + 4).into();
        let id = EventId::parse(&self.text(at + 5));
        let time = self.time(at + 6);
        let crc = self.number(at + 7);
        let body = self.text(at + 8);
        let data = if crc32c::crc32c(body.as_bytes()) == u32::try_from(crc).unwrap_or_default() {
            Body::parse(body).map_err(|error| error.to_string())
        } else {
            Err("its checksum does not match".to_owned())
        };
        let data = data.unwrap_or_else(|why| {
            self.report(at + 8, &why);
            Body::from_value(&Value::Null)
        });
        Event { id, source, kind, r#type, time, subject, data }
    }
}
