//! The one integration binary: what holds for the house, its papers, and the stories it must survive.

#![expect(clippy::print_stdout, reason = "a test says with which seed it ran and what came of it")]

mod config;
mod daemon;
mod floors;
mod health;
mod hostile;
mod kill;
mod ledger;
mod life;
mod papers;
mod shipped;
mod tree;
mod tutorial;
mod vcenter;
