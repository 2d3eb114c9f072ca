//! The data set's actions: what customer-service agents did. Each row becomes a command, a query on
//! a view, or is skipped; its task and step are its key, so a run that was killed is run again.

use std::{fs, io, path::Path};

use factum::{
    App, Fault,
    store::{Position, Row},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::import::{DataError, lines};

const ACTIONS: &str = include_str!("../data/actions.jsonl");

/// One thing an agent did.
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// The task that it is part of: `test-0`.
    pub task: String,
    /// Which step of the task.
    pub step: u32,
    /// Who called. Not always the owner of the order, and no rule looks at it.
    pub user_id: String,
    /// Whether it is one of the writing actions.
    #[serde(default)]
    pub writes: bool,
    /// What was done: the name of a command, of a look-up, or of something we don't do.
    pub name: String,
    /// With what.
    pub arguments: Map<String, Value>,
}

impl Action {
    /// The key of its command: `test-0/4`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.task, self.step)
    }

    fn text(&self, argument: &str) -> &str {
        self.arguments.get(argument).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Actions, in order.
#[derive(Clone, Debug)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// All that this program carries: the `train-*` tasks, then the `test-*` tasks.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    #[must_use]
    pub fn all() -> Self {
        Self::read(ACTIONS).expect("the embedded actions are actions")
    }

    /// Those of the `test-*` tasks, for which the data set says what should come of them.
    #[must_use]
    pub fn test() -> Self {
        let all = Self::all().0.into_iter();
        Self(all.filter(|action| action.task.starts_with("test-")).collect())
    }

    /// Those of a JSON-lines text.
    ///
    /// # Errors
    /// [`DataError`] for a line that is not an action.
    pub fn read(text: &str) -> Result<Self, DataError> {
        lines(text, Some).map(Self)
    }

    /// Those of a JSON-lines file.
    ///
    /// # Errors
    /// When the file can't be read, or a line is not an action.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::read(&text).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Action> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Performed {
    /// The command was accepted.
    Accepted,
    /// The command was refused, with this reason.
    Refused(String),
    /// The look-up's answer; `None` when there is no such thing.
    Answered(Option<Value>),
    /// Neither a command nor a look-up.
    Skipped,
}

/// Does what the action says. A look-up sees everything that was recorded before it.
///
/// # Errors
/// [`Fault`] when nothing came of it; doing it again is safe.
pub async fn perform(app: &App, action: &Action) -> Result<Performed, Fault> {
    let text = |argument| action.text(argument);
    let answer = match action.name.as_str() {
        "calculate" | "transfer_to_human_agents" => return Ok(Performed::Skipped),
        "get_order_details" => document(app, "orders", text("order_id")).await?,
        "get_user_details" => document(app, "users", text("user_id")).await?,
        "get_product_details" => document(app, "products", text("product_id")).await?,
        "list_all_product_types" => Some(product_types(app).await?),
        "find_user_id_by_email" => {
            find_user(app, |user| same(&user["email"], text("email"))).await?
        }
        "find_user_id_by_name_zip" => {
            let named = |user: &Value| {
                same(&user["name"]["first_name"], text("first_name"))
                    && same(&user["name"]["last_name"], text("last_name"))
                    && user["address"]["zip"] == text("zip")
            };
            find_user(app, named).await?
        }
        _ => return decide(app, action).await,
    };
    Ok(Performed::Answered(answer))
}

/// Every other action is the command of its name; the arguments are its input as they are.
async fn decide(app: &App, action: &Action) -> Result<Performed, Fault> {
    let input = Value::from(action.arguments.clone()).to_string();
    let command = app.command(&action.name, input.as_bytes());
    let outcome = command.key(action.key()).actor(action.user_id.clone()).await?;
    Ok(match outcome.refusal {
        Some(refused) => Performed::Refused(refused.message),
        None => Performed::Accepted,
    })
}

async fn document(app: &App, view: &str, key: &str) -> Result<Option<Value>, Fault> {
    let answer = app.view(view)?.get(key).after(now(app).await?).await?;
    Ok(answer.rows.first().map(shown))
}

/// The id of each product by its name.
async fn product_types(app: &App) -> Result<Value, Fault> {
    let products = all(app, "products").await?;
    let named = products.iter().filter_map(|product| {
        Some((product["name"].as_str()?.to_owned(), product["product_id"].clone()))
    });
    Ok(named.collect::<Map<_, _>>().into())
}

async fn find_user(app: &App, is_meant: impl Fn(&Value) -> bool) -> Result<Option<Value>, Fault> {
    let users = all(app, "users").await?;
    Ok(users.iter().find(|user| is_meant(user)).map(|user| user["user_id"].clone()))
}

/// Every document of a view.
async fn all(app: &App, view: &str) -> Result<Vec<Value>, Fault> {
    let (mut documents, mut cursor) = (Vec::new(), None);
    loop {
        let page = app.view(view)?.list().limit(1_000).cursor(cursor).after(now(app).await?);
        let answer = page.await?;
        documents.extend(answer.rows.iter().map(shown));
        cursor = answer.next;
        if cursor.is_none() {
            return Ok(documents);
        }
    }
}

async fn now(app: &App) -> Result<Position, Fault> {
    Ok(app.ledger().head().await?.position)
}

fn shown(row: &Row) -> Value {
    serde_json::from_slice(&row.document).unwrap_or_default()
}

/// Names and mail addresses are looked for whatever their case.
fn same(value: &Value, text: &str) -> bool {
    value.as_str().is_some_and(|value| value.to_lowercase() == text.to_lowercase())
}
