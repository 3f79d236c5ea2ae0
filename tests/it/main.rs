//! The one integration binary: what holds for the house, its papers, and the stories it must survive.

#![expect(clippy::print_stdout, reason = "a test says with which seed it ran and what came of it")]

mod alertmanager;
mod config;
mod daemon;
mod disk;
mod door;
mod floors;
mod health;
mod hostile;
#[path = "../bench/hour.rs"]
mod hour;
mod kill;
mod ledger;
mod life;
#[path = "../bench/memory.rs"]
mod memory;
mod neighbour;
mod papers;
mod registries;
mod registry;
mod shipped;
mod silences;
mod slack_bot;
mod soak;
mod storm;
mod threads;
mod tree;
mod tutorial;
mod vcenter;
mod webhooks;
