//! A fingerprint is the same in every run, and another one when anything that decides the state is.

use factum::{Event, Fold, fold, id};

id!(pub ThingId(String), "thing");

/// The same fold in several modules, each with one change.
macro_rules! variant {
    ($module:ident, $event:ident, $(#[$field:meta])* $type:ty, $version:literal, $op:tt) => {
        mod $module {
            use super::*;

            #[derive(Event)]
            #[event("thing.counted")]
            pub struct $event {
                #[tag]
                pub thing: ThingId,
                $(#[$field])*
                pub count: $type,
            }

            #[derive(Default)]
            pub struct Thing {
                pub count: $type,
            }

            #[fold(by = ThingId, version = $version)]
            impl Thing {
                /// Comments do not count.
                fn counted(&mut self, e: &$event) {
                    self.count $op e.count;
                }
            }

            pub const FINGERPRINT: u64 = Thing::FINGERPRINT;
        }
    };
}

variant!(base, Counted, i64, 1, +=);
variant!(same, Counted, i64, 1, +=);
variant!(code, Counted, i64, 1, -=);
variant!(version, Counted, i64, 2, +=);
variant!(model, Counted, i32, 1, +=);
variant!(
    optional,
    Counted,
    #[serde(default)]
    i64,
    1,
    +=
);
variant!(
    personal,
    Counted,
    #[personal]
    i64,
    1,
    +=
);
variant!(
    renamed,
    Counted,
    #[serde(rename = "n")]
    i64,
    1,
    +=
);

#[test]
fn the_same_definition_has_the_same_fingerprint() {
    assert_eq!(base::FINGERPRINT, same::FINGERPRINT);
}

#[test]
fn whatever_decides_the_state_is_in_the_fingerprint() {
    let changed = [
        ("code", code::FINGERPRINT),
        ("version", version::FINGERPRINT),
        ("model", model::FINGERPRINT),
        ("optional", optional::FINGERPRINT),
        ("personal", personal::FINGERPRINT),
        ("renamed", renamed::FINGERPRINT),
    ];
    for (what, fingerprint) in changed {
        assert_ne!(fingerprint, base::FINGERPRINT, "{what}");
    }
}

/// Written down, so that another run, machine or compiler that gets another value is noticed:
/// it would throw away every snapshot and rebuild every view.
#[test]
fn a_fingerprint_is_the_same_in_every_run() {
    assert_eq!(base::Counted::MODEL.fingerprint(), 1_841_807_893_892_627_547);
    assert_eq!(base::FINGERPRINT, 10565214011004702255);
}

#[test]
fn a_snapshot_is_the_state_and_other_bytes_are_none() {
    use crate::shop::{Order, placed};
    let event = factum::new_event(&placed("o1", Some("u1"), &["c1"])).unwrap();
    let mut order = Order::default();
    Fold::apply(&mut order, &factum::testing::recorded(vec![event])[0]).unwrap();
    let bytes = order.to_snapshot().unwrap();
    let again = Order::from_snapshot(&bytes).unwrap();
    assert_eq!(again.to_snapshot().unwrap(), bytes);
    assert!(Order::from_snapshot(b"{").is_none());
    let mut any: Box<dyn factum::AnyFold> = Box::new(Order::default());
    assert!(!any.restore(b"{") && any.restore(&bytes));
    assert_eq!(any.snapshot().unwrap(), bytes);
    assert!(base::Thing::default().to_snapshot().is_none(), "only with `snapshot`");
}
