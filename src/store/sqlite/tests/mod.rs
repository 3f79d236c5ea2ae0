//! What only this implementation has: its file, and what can happen to it.

mod damage;
mod file;
mod older;
mod refusal;
mod retention;
mod speed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::open::beside;
use super::{schema, settle};
use crate::event::{Body, Event};
use crate::store::tests::{PATIENCE, assert_empty, backlog, dead, delivered, event, given, number, taken, to, until};
use crate::store::{
    CommitError, DeadFilter, DeliveryId, DeliveryState, EventFilter, Health, Note, OpenError, Outcome, Policy, Store,
    StoreError,
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("state/tidings.db")
}

fn opened(file: &Path) -> Store {
    Store::open(file, Policy::default()).unwrap()
}
