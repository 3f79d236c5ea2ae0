//! The one integration binary: what holds for the house, its papers, and the stories it must survive.

mod config;
mod daemon;
mod floors;
mod health;
mod hostile;
mod kill;
mod life;
mod papers;
mod shipped;
mod tree;
mod tutorial;
