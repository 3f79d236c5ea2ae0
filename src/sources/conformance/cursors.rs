//! A stored cursor that cannot be read is logged, and the source starts over.

use super::harness::run;
use super::rows::ROWS;
use super::stand_in::{address, vendor};
use crate::test_support::log::Log;

#[tokio::test]
async fn an_unreadable_cursor_is_logged_and_survived() {
    let huge = "x".repeat(1 << 20);
    let deep = "[".repeat(100_000);
    let wrong_types = r#"{"at":{},"known":7,"of":[],"cursor":1,"tag":"x"}"#;
    for row in ROWS {
        let event = row.connect().map_or("", |connect| connect.event);
        for cursor in ["\u{0}{garbage", "", &huge, &deep, wrong_types] {
            let (log, _logging) = Log::capture();
            let server = vendor(row, &[event.as_bytes()], false).await;
            let source = row.open(address(&server), "1ms");
            run(row, &source, Some(cursor.to_owned()), async |observer| {
                observer.up().await;
                if !event.is_empty() {
                    observer.event().await;
                }
            })
            .await;
            let is_logged = log.text().contains("stored cursor is unreadable");
            assert_eq!(is_logged, row.has_cursor, "{}: {:.20}", row.kind, cursor);
        }
    }
}
