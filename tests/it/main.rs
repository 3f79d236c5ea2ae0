//! The one integration binary: what holds for the house, its papers, and the stories it must survive.

#![expect(clippy::print_stdout, reason = "a test says with which seed it ran and what came of it")]

mod alertmanager;
mod config;
mod daemon;
mod disk;
mod documents;
mod health;
mod hostile;
#[path = "../bench/hour.rs"]
mod hour;
mod kill;
mod layers;
mod ledger;
mod life;
mod listener;
#[path = "../bench/memory.rs"]
mod memory;
mod neighbour;
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
