//! Reads what happened since a time, with event collectors of its own that are destroyed afterwards.
//!
//! An empty answer does not prove the end: a collector may be stuck, may skip events without a read permission, or the
//! next burst came a moment later. Its latest page shows whether newer events exist (`rest`); then a new collector goes
//! on (`run`). Only what a new collector cannot read either is missing (`gap`).

mod gap;
mod progress;
mod read;
mod rest;
mod run;
