//! What the tests of several sources share.

pub(in crate::sources) mod post;
pub(in crate::sources) mod snapshot;
