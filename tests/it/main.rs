//! The one integration binary: rules for the repository, and tests of the daemon as a child process.

#![expect(clippy::print_stdout, reason = "a test prints its seed and its counts")]

mod alertmanager;
mod config;
mod cycles;
#[path = "../support/daemon.rs"]
mod daemon;
mod disk;
mod documents;
mod foreign_daemon;
mod gaps;
#[path = "../support/google_chat.rs"]
mod google_chat;
mod health;
mod hostile;
mod hostile_disk;
mod kill;
mod layers;
mod ledger;
mod life;
mod listener;
#[path = "../bench/memory.rs"]
mod memory;
#[path = "../support/pagerduty.rs"]
mod pagerduty;
mod plain_words;
#[path = "../support/random_faults.rs"]
mod random_faults;
mod registries;
mod registry;
mod rust_text;
mod shipped;
mod silences;
#[path = "../support/slack.rs"]
mod slack;
#[path = "../support/slack_api/mod.rs"]
mod slack_api;
mod slack_bot;
mod soak;
#[path = "../support/soak_load.rs"]
mod soak_load;
mod storm;
mod threads;
mod tree;
mod tutorial;
mod tutum_to_slack;
mod vcenter;
mod webhooks;
