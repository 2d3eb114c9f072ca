//! What SQL in a view may do. SQLite asks here while it prepares a statement.
//!
//! Protects G8: the same events give the same rows, so a statement that could see the clock, chance
//! or its own history is refused; and G7: the checkpoint's table and the transaction are ours.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

/// The table with the fingerprint and the checkpoint.
pub(crate) const META: &str = "_factum";

/// Functions whose answer is not a function of the rows and the parameters.
const NOT_DETERMINISTIC: &[&str] = &[
    "random",
    "randomblob",
    "current_time",
    "current_date",
    "current_timestamp",
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "changes",
    "total_changes",
    "last_insert_rowid",
    "sqlite_version",
    "sqlite_source_id",
    "load_extension",
];

/// What the next statements are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Our own: anything.
    Ours = 0,
    /// A projector's: the view's tables and deterministic functions.
    Projector = 1,
    /// The view's schema: making tables, indexes, triggers and views too.
    Schema = 2,
    /// A question: reading only.
    Question = 3,
}

/// A connection's guard: which rights hold now, and why the last refusal was.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    rights: Arc<AtomicU8>,
    refusal: Arc<Mutex<Option<String>>>,
}

impl Guard {
    /// Puts a guard on a connection.
    pub(crate) fn on(connection: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self::default();
        let hooked = guard.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| hooked.decide(&context)))?;
        Ok(guard)
    }

    /// Runs `act` with these rights; a refusal by the guard replaces SQLite's bare "not authorized".
    pub(crate) fn within<T>(
        &self,
        rights: Rights,
        act: impl FnOnce() -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        self.rights.store(rights as u8, Ordering::Relaxed);
        let result = act();
        self.rights.store(Rights::Ours as u8, Ordering::Relaxed);
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.map_err(|error| refusal.unwrap_or_else(|| error.to_string()))
    }

    fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        let Some(problem) = self.problem(&context.action) else { return Authorization::Allow };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        Authorization::Deny
    }

    fn problem(&self, action: &AuthAction<'_>) -> Option<String> {
        let rights = self.rights.load(Ordering::Relaxed);
        if rights == Rights::Ours as u8 {
            return None;
        }
        let writes = rights != Rights::Question as u8;
        let defines = rights == Rights::Schema as u8;
        match action {
            AuthAction::Select | AuthAction::Recursive => None,
            AuthAction::Function { function_name } => not_deterministic(function_name),
            AuthAction::Read { table_name, .. } => not_ours(table_name),
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. }
                if writes =>
            {
                // Making a table writes SQLite's own catalogue.
                if defines && table_name.starts_with("sqlite_") {
                    return None;
                }
                not_ours(table_name)
            }
            AuthAction::CreateTable { table_name } if defines => not_ours(table_name),
            AuthAction::CreateIndex { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::Reindex { .. }
                if defines =>
            {
                None
            }
            _ if !writes => Some("only reading is allowed here".into()),
            _ if defines => {
                Some("a view's schema may only create tables, indexes and views".into())
            }
            _ => Some(
                "a view's statements may only read and write the view's own tables (no pragma, \
                 attach, transaction or schema change); put tables and indexes into its schema"
                    .into(),
            ),
        }
    }
}

fn not_deterministic(function: &str) -> Option<String> {
    let found = NOT_DETERMINISTIC.iter().any(|name| name.eq_ignore_ascii_case(function));
    found.then(|| {
        format!(
            "the function {function}() is not deterministic and may not be used in a view; \
             take the time from the parameter :recorded_at (microseconds), identity from :event_id"
        )
    })
}

fn not_ours(table: &str) -> Option<String> {
    table.eq_ignore_ascii_case(META).then(|| format!("the table {META} belongs to Factum"))
}
