//! The suite of the port.

use std::sync::Arc;

use factum_sqlite::SqliteViews;

#[test]
fn it_keeps_a_view_stores_promises() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    factum_store::conformance::view_store(&|| {
        number.set(number.get() + 1);
        let dir = dir.path().join(number.get().to_string());
        Arc::new(SqliteViews::open(dir).expect("a directory"))
    });
}
