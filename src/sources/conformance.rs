//! What every source must do. One row for each kind; a kind of the registry without a row fails, and so does a row
//! without a kind.

mod cursors;
mod harness;
mod hostile;
mod link;
mod look_ups;
mod row;
mod rows;
mod secrets;
mod stand_in;
mod stops;
mod vcenter_replies;

use super::KINDS;
use rows::ROWS;

#[test]
fn every_kind_has_a_row_and_every_row_a_kind() {
    let missing: Vec<_> = KINDS.iter().filter(|kind| ROWS.iter().all(|row| row.kind != **kind)).collect();
    assert!(missing.is_empty(), "no row in the conformance suite: {missing:?}");
    let unknown: Vec<_> = ROWS.iter().map(|row| row.kind).filter(|kind| !KINDS.contains(kind)).collect();
    assert!(unknown.is_empty(), "no kind in the registry: {unknown:?}");
    for row in ROWS {
        assert_eq!(row.toml.contains("s3cr3t"), row.has_secrets, "{}", row.kind);
    }
}
