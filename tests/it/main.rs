//! The one integration binary: what holds for the house, its papers, and the stories it must survive.

mod floors;
mod papers;
mod shipped;
mod tree;
