//! Events are kept for ever: their shapes change only with a new version (`events.lock`).

use factum::testing::check_events_lock;

#[test]
fn no_event_changed_its_shape_without_a_new_version() {
    check_events_lock(&retail::domain(), concat!(env!("CARGO_MANIFEST_DIR"), "/events.lock"));
}
