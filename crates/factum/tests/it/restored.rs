//! A ledger that was restored to an earlier moment, with the views, keyframes and snapshots of what
//! had come after it: nothing of that is believed (G7, G8).

use std::path::Path;

use factum::{Backup, Restore, Store, store::Position};

use crate::{bank::*, world::*};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        match entry.path() {
            dir if dir.is_dir() => copy(&dir, &to.join(entry.file_name())),
            file => drop(std::fs::copy(file, to.join(entry.file_name())).unwrap()),
        }
    }
}

#[tokio::test]
async fn views_that_are_ahead_of_a_restored_ledger_notice_and_are_built_anew() {
    let place = tempfile::tempdir().unwrap();
    let [data, kept, restored] = ["data", "kept", "restored"].map(|name| place.path().join(name));
    let app = embedded(&data).await;
    random_history(&**app.ledger(), &mut chance(), 300).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let ahead = head(&app).await;
    let store = Store::open_read_only(data.to_str().unwrap()).unwrap();
    store.backup(&kept, |_, _| {}).unwrap();
    app.close().await;
    drop(app);

    for (to, more) in [(40, 0), (200, 30), (120, 400)] {
        let what = Restore { to_position: Some(Position(to)), ..Restore::default() };
        Backup::open(&kept).unwrap().restore(&restored, &what, |_, _| {}).unwrap();
        // The views of the later history are put beside it.
        copy(&data.join("views"), &restored.join("views"));
        let app = embedded(&restored).await;
        assert!(head(&app).await <= Position(to) && head(&app).await < ahead);
        random_history(&**app.ledger(), &mut chance(), more).await;
        app.catch_up(|_, _| {}).await.unwrap();
        views_are_the_fold(&app).await.unwrap_or_else(|error| panic!("to {to}: {error}"));
        app.close().await;
        drop(app);
        std::fs::remove_dir_all(&restored).unwrap();
    }
}
