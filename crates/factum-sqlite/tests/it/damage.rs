//! Every bit of a keyframe's file, flipped in turn: a moment of the past is the truth, reached from
//! the keyframe before it, and never what the damaged one says (G8, G10).

use std::path::{Path, PathBuf};

use factum_sqlite::SqliteViews;
use factum_store::{
    Batch, Bytes, Change, Checkpoint, Position, RowsRequest, Shape, Timestamp, ViewName, ViewSpec,
    ViewStore,
};
use futures_lite::future::block_on;

fn spec() -> ViewSpec {
    let name = ViewName::new("accounts").unwrap();
    ViewSpec { name, fingerprint: 5, shape: Shape::Documents }
}

fn at(position: u64) -> Checkpoint {
    Checkpoint { position: Position(position), recorded_at: Timestamp::from_micros(position * 10) }
}

/// A view with keyframes at 1 and 2, and one row of another number at each.
fn kept(dir: &Path) -> SqliteViews {
    let views = SqliteViews::open(dir).unwrap();
    block_on(views.open(&spec())).unwrap();
    for position in 1..=2 {
        let document = Bytes::from(format!("{{\"cents\":{position}}}"));
        let changes = vec![Change::Put { key: "ann".into(), document }];
        let batch = Batch { from: Position(position - 1), to: at(position), changes };
        block_on(views.apply(&spec().name, batch)).unwrap();
        block_on(views.keep_keyframe(&spec().name)).unwrap();
    }
    views
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let folder = dir.join("keyframes/accounts-0000000000000005");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// From where a moment is reached, and the number that is there.
fn scratch(views: &SqliteViews) -> (Checkpoint, String) {
    let (scratch, from) = block_on(views.scratch(&spec().name, Position(2))).unwrap();
    let page =
        block_on(scratch.rows(&spec().name, RowsRequest { limit: 9, ..RowsRequest::default() }))
            .unwrap();
    let row = page.rows.first().map(|row| String::from_utf8(row.document.to_vec()).unwrap());
    (from, row.unwrap_or_default())
}

/// Every how many bits one is flipped; `FACTUM_BITS_STEP=1` flips all.
fn step(unless_told: usize) -> usize {
    std::env::var("FACTUM_BITS_STEP").map_or(unless_told, |step| step.parse().expect("a number"))
}

#[test]
fn g10_a_keyframe_with_any_flipped_bit_is_passed_over_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let views = kept(dir.path());
    assert_eq!(scratch(&views), (at(2), r#"{"cents":2}"#.to_owned()));
    let path = files(dir.path()).remove(1);
    let sound = std::fs::read(&path).unwrap();
    let mut flips = 0;
    for bit in (0..sound.len() * 8).step_by(step(499)) {
        let mut damaged = sound.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(scratch(&views), (at(1), r#"{"cents":1}"#.to_owned()), "bit {bit}");
        flips += 1;
    }
    assert!(flips > 100, "{flips} bits were flipped");
    println!("{flips} bits of a keyframe of {} bytes", sound.len());
    let listed = block_on(views.keyframes(&spec().name)).unwrap();
    assert_eq!(listed.iter().map(|kept| kept.checkpoint).collect::<Vec<_>>(), [at(1)]);
    block_on(views.keep_keyframe(&spec().name)).unwrap();
    assert_eq!(scratch(&views).0, at(2), "it was made again");
    assert_eq!(files(dir.path()).len(), 2);
}
