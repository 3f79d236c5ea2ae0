//! Why the store could not be opened, written or read.

use std::path::PathBuf;

use super::types::Entry;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("no space to store anything: {0}")]
    Full(String),
    #[error("the state file failed: {0}")]
    Failed(String),
    #[error("the store is closed")]
    Closed,
}

/// Nothing of `entries` was written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct CommitError {
    /// What was to be committed, to try again.
    pub entries: Vec<Entry>,
    pub error: StoreError,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot create the folder {}: {why}; create it, let this user write to it, or set `state` in relays.toml", folder.display())]
    Folder { folder: PathBuf, why: std::io::Error },
    #[error("{} is in use by {holder}: two daemons must not share one state file; stop the other (`fuser {}.lock` shows it) or set `state` in relays.toml", file.display(), file.display())]
    Locked { file: PathBuf, holder: String },
    #[error("{} was written by a newer tidings (schema {found}, this version supports up to {known}): start that version again, or move the file away", file.display())]
    Newer { file: PathBuf, found: i64, known: i64 },
    #[error("{} is a database of another program: set `state` in relays.toml to a file of its own", file.display())]
    Foreign { file: PathBuf },
    #[error("cannot use {}: {why}; this user must be able to read and write the file and its folder", file.display())]
    Unusable { file: PathBuf, why: String },
    #[error("cannot start the thread {name}: {why}")]
    Thread { name: &'static str, why: std::io::Error },
}
