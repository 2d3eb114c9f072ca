//! Rows by SQL: applied with the checkpoint (G7), listed page by page, kept as keyframes; and what
//! SQL in a view may not do (G8).

use factum_sqlite::SqliteViews;
use factum_store::{
    Batch, Change, Checkpoint, Position, RowsRequest, Shape, Statement, Timestamp, Value,
    ViewError, ViewName, ViewSpec, ViewStore,
};
use futures_lite::future::block_on;

fn spec(fingerprint: u64) -> ViewSpec {
    ViewSpec {
        name: ViewName::new("history").unwrap(),
        fingerprint,
        shape: Shape::Rows {
            schema: "create table history (user text not null, position integer not null, \
                     late boolean, extra json, primary key (user, position))"
                .into(),
            key: "user".into(),
            order: vec!["user".into(), "position desc".into()],
        },
    }
}

fn at(position: u64) -> Checkpoint {
    Checkpoint { position: Position(position), recorded_at: Timestamp::from_micros(position * 10) }
}

fn insert(user: &str, position: u64) -> Change {
    Change::Execute(Statement {
        sql: "insert into history values (:user, :position, :position % 2, json(:extra))",
        parameters: vec![
            ("user", Value::Text(user.into())),
            ("position", Value::Integer(position.cast_signed())),
            ("extra", Value::Json(format!("{{\"n\": [{position}]}}"))),
        ],
    })
}

fn execute(sql: &'static str) -> Change {
    Change::Execute(Statement { sql, parameters: Vec::new() })
}

fn apply(views: &SqliteViews, from: u64, to: u64, changes: Vec<Change>) -> Result<(), ViewError> {
    let batch = Batch { from: Position(from), to: at(to), changes };
    block_on(views.apply(&spec(1).name, batch))
}

fn listed(store: &dyn ViewStore, limit: usize) -> Vec<String> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let request = RowsRequest { key: None, cursor, limit };
        let page = block_on(store.rows(&spec(1).name, request)).unwrap();
        rows.extend(page.rows.iter().map(|r| String::from_utf8(r.document.to_vec()).unwrap()));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return rows,
        }
    }
}

#[test]
fn rows_come_in_the_views_order_whatever_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    assert_eq!(block_on(views.open(&spec(1))).unwrap(), Checkpoint::default());
    let changes = (1..=20).map(|p| insert(["ann", "bob", "cy"][p as usize % 3], p)).collect();
    apply(&views, 0, 20, changes).unwrap();
    let whole = listed(&views, 100);
    assert_eq!(whole.len(), 20);
    assert_eq!(whole[0], r#"{"user":"ann","position":18,"late":false,"extra":{"n":[18]}}"#);
    for limit in 1..=20 {
        assert_eq!(listed(&views, limit), whole, "pages of {limit}");
    }
    let request = RowsRequest { key: Some("bob".into()), cursor: None, limit: 2 };
    let page = block_on(views.rows(&spec(1).name, request)).unwrap();
    assert_eq!(page.checkpoint, at(20));
    assert!(page.rows.iter().all(|row| row.key == "bob"), "{page:?}");
}

#[test]
fn a_cursor_that_no_page_gave_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    block_on(views.open(&spec(1))).unwrap();
    for cursor in ["", "zz", "5b5d", "5b312c7b7d5d", "é", "5b5b5d2c315d", "0"] {
        let request = RowsRequest { key: None, cursor: Some(cursor.into()), limit: 1 };
        match block_on(views.rows(&spec(1).name, request)) {
            Err(ViewError::Invalid(invalid)) => assert_eq!(invalid.field, "cursor"),
            other => panic!("{cursor:?} gave {other:?}"),
        }
    }
}

#[test]
fn g7_a_batch_that_fails_half_way_leaves_rows_and_checkpoint_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    block_on(views.open(&spec(1))).unwrap();
    apply(&views, 0, 3, vec![insert("ann", 1)]).unwrap();
    let twice = apply(&views, 3, 9, vec![insert("ann", 4), insert("ann", 1)]);
    assert!(matches!(twice, Err(ViewError::Statement { .. })), "{twice:?}");
    assert_eq!(listed(&views, 10).len(), 1);
    assert_eq!(block_on(views.checkpoint(&spec(1).name)).unwrap(), at(3));
    let elsewhere = apply(&views, 2, 9, vec![insert("ann", 4)]);
    assert!(
        matches!(elsewhere, Err(ViewError::Checkpoint { actual: Position(3), .. })),
        "{elsewhere:?}"
    );
    drop(views);
    let again = SqliteViews::open(dir.path()).unwrap();
    assert_eq!(block_on(again.open(&spec(1))).unwrap(), at(3));
    assert_eq!(listed(&again, 10).len(), 1);
}

#[test]
fn g8_sql_that_is_not_deterministic_or_not_its_business_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    block_on(views.open(&spec(1))).unwrap();
    let refused = [
        ("insert into history values ('a', random(), 0, null)", "random()"),
        ("insert into history values (hex(randomblob(4)), 1, 0, null)", "randomblob()"),
        ("insert into history values (current_timestamp, 1, 0, null)", "current_timestamp"),
        ("insert into history values (datetime('now'), 1, 0, null)", "datetime()"),
        ("insert into history values ('a', changes(), 0, null)", "changes()"),
        ("insert into history values ('a', last_insert_rowid(), 0, null)", "last_insert_rowid()"),
        ("update _factum set position = 99", "belongs to Factum"),
        ("delete from _factum", "belongs to Factum"),
        ("insert into history select 'a', position, 0, null from _factum", "belongs to Factum"),
        ("attach database ':memory:' as other", "own tables"),
        ("pragma user_version = 3", "own tables"),
        ("commit", "own tables"),
        ("savepoint s", "own tables"),
        ("create table t (x)", "own tables"),
        ("drop table history", "own tables"),
    ];
    for (sql, why) in refused {
        match apply(&views, 0, 1, vec![execute(sql)]) {
            Err(ViewError::Statement { problem, .. }) => {
                assert!(problem.contains(why), "{sql}: {problem}");
            }
            other => panic!("{sql} gave {other:?}"),
        }
    }
    assert_eq!(block_on(views.checkpoint(&spec(1).name)).unwrap(), Checkpoint::default());
    apply(&views, 0, 1, vec![insert("ann", 1)]).unwrap();
}

#[test]
fn a_parameter_without_a_value_and_a_value_without_a_parameter_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    block_on(views.open(&spec(1))).unwrap();
    let missing = execute("delete from history where user = :user");
    let unused = Change::Execute(Statement {
        sql: "delete from history",
        parameters: vec![("user", Value::Null)],
    });
    for (change, name) in [(missing, ":user has no value"), (unused, ":user has no parameter")] {
        let problem = apply(&views, 0, 1, vec![change]).unwrap_err().to_string();
        assert!(problem.contains(name), "{problem}");
    }
}

#[test]
fn a_scratch_copy_starts_at_the_last_keyframe_and_nobody_else_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    let name = &spec(1).name;
    block_on(views.open(&spec(1))).unwrap();
    for p in 1..=6 {
        apply(&views, p - 1, p, vec![insert("ann", p)]).unwrap();
        if p % 2 == 0 {
            let kept = block_on(views.keep_keyframe(name)).unwrap();
            assert_eq!((kept.checkpoint, kept.rows), (at(p), p));
        }
    }
    assert_eq!(block_on(views.keyframes(name)).unwrap().len(), 3);
    for (wanted, start) in [(1, 0), (2, 2), (3, 2), (5, 4), (99, 6)] {
        let (scratch, checkpoint) = block_on(views.scratch(name, Position(wanted))).unwrap();
        assert_eq!(checkpoint.position, Position(start));
        assert_eq!(listed(&*scratch, 3).len() as u64, start);
        let batch = Batch { from: Position(start), to: at(50), changes: vec![insert("zoe", 50)] };
        block_on(scratch.apply(name, batch)).unwrap();
        assert_eq!(listed(&*scratch, 3).len() as u64, start + 1);
        assert_eq!(listed(&views, 3).len(), 6);
    }
    let folder = dir.path().join("keyframes").join(format!("history-{:016x}", 1));
    let of_4 = |path: &std::path::PathBuf| path.to_string_lossy().contains(&format!("{:020}-", 4));
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    std::fs::write(files.find(of_4).unwrap(), b"rubbish").unwrap();
    let (_, checkpoint) = block_on(views.scratch(name, Position(5))).unwrap();
    assert_eq!(checkpoint.position, Position(2), "a damaged keyframe is passed over");
}

#[test]
fn another_fingerprint_and_a_damaged_file_start_anew() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    block_on(views.open(&spec(1))).unwrap();
    apply(&views, 0, 1, vec![insert("ann", 1)]).unwrap();
    block_on(views.keep_keyframe(&spec(1).name)).unwrap();
    assert_eq!(block_on(views.open(&spec(2))).unwrap(), Checkpoint::default());
    assert!(block_on(views.keyframes(&spec(2).name)).unwrap().is_empty());
    drop(views);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("history.sqlite{suffix}")));
    }
    std::fs::write(dir.path().join("history.sqlite"), vec![7; 8192]).unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    assert_eq!(block_on(views.open(&spec(2))).unwrap(), Checkpoint::default());
    assert!(listed(&views, 5).is_empty());
}

#[test]
fn a_question_in_sql_reads_and_does_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(dir.path()).unwrap();
    let name = &spec(1).name;
    block_on(views.open(&spec(1))).unwrap();
    apply(&views, 0, 2, vec![insert("ann", 1), insert("bob", 2)]).unwrap();
    let sum = views.query(name, "select sum(position) as total from history", 10).unwrap();
    assert_eq!(sum, [&br#"{"total":3}"#[..]]);
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) \
                   select count(*) from n";
    let stopped = views.query(name, endless, 10);
    assert!(matches!(stopped, Err(ViewError::Statement { .. })), "{stopped:?}");
    let writes = views.query(name, "delete from history", 10);
    assert!(matches!(writes, Err(ViewError::Statement { .. })), "{writes:?}");
}
