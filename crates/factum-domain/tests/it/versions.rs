//! What was recorded is read as what it means today, and what can't be read says where it is (G8).

use factum::{DecodeError, Event, Fold, fold, id, new_event, read_event, testing::recorded};
use factum_store::{ContentType, Schema};
use serde_json::{Value, json};

id!(pub UserId(String), "user");

#[derive(Event)]
#[event("user.registered")]
pub struct RegisteredV1 {
    #[tag]
    pub user: UserId,
    pub name: String,
}

#[derive(Event)]
#[event("user.registered", version = 2, from = RegisteredV1)]
pub struct RegisteredV2 {
    #[tag]
    pub user: UserId,
    pub first: String,
    pub last: String,
}

#[derive(Event, Debug, PartialEq)]
#[event("user.registered", version = 3, from = RegisteredV2)]
pub struct Registered {
    #[tag]
    pub user: UserId,
    pub names: Vec<String>,
    #[serde(default)]
    pub note: String,
}

impl From<RegisteredV1> for RegisteredV2 {
    fn from(old: RegisteredV1) -> Self {
        let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
        Self { first: first.into(), last: last.into(), user: old.user }
    }
}

impl From<RegisteredV2> for Registered {
    fn from(old: RegisteredV2) -> Self {
        Self { user: old.user, names: vec![old.first, old.last], note: String::new() }
    }
}

#[derive(Event, Debug, PartialEq)]
#[event("user.moved", version = 3, upcast = moved)]
pub struct Moved {
    #[tag]
    pub user: UserId,
    pub town: String,
}

fn moved(version: u32, mut data: Value) -> Result<Value, String> {
    if version == 1 {
        return Err("version 1 was never released".into());
    }
    let town = data["address"]["town"].take();
    Ok(json!({ "user": data["user"], "town": town }))
}

#[derive(Default)]
pub struct User {
    names: Vec<String>,
}

#[fold(by = UserId)]
impl User {
    fn registered(&mut self, e: &Registered) {
        self.names.clone_from(&e.names);
    }
}

fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

fn names(recorded: &factum_store::RecordedEvent) -> Vec<String> {
    let mut user = User::default();
    Fold::apply(&mut user, recorded).unwrap();
    user.names
}

#[test]
fn older_versions_are_read_as_the_newest() {
    let v1 = new_event(&RegisteredV1 { user: ann(), name: "Ann Lee".into() }).unwrap();
    let v2 = RegisteredV2 { user: ann(), first: "Ann".into(), last: "Lee".into() };
    let v3 = Registered { user: ann(), names: vec!["Ann".into(), "Lee".into()], note: "n".into() };
    assert_eq!(v1.envelope.schema, None, "version 1 goes without saying");
    let v2 = new_event(&v2).unwrap();
    let v3 = new_event(&v3).unwrap();
    let schema = Schema { name: "user.registered".into(), version: 2 };
    assert_eq!(v2.envelope.schema, Some(schema));
    for event in recorded(vec![v1, v2, v3]) {
        assert_eq!(names(&event), ["Ann", "Lee"]);
    }
}

#[test]
fn json_of_an_older_version_can_be_rewritten() {
    let data = br#"{"user":"ann","address":{"town":"Ulm"}}"#;
    assert_eq!(Moved::decode(2, data), Ok(Moved { user: ann(), town: "Ulm".into() }));
    assert_eq!(
        Moved::decode(3, br#"{"user":"ann","town":"Ulm"}"#),
        Ok(Moved { user: ann(), town: "Ulm".into() })
    );
    let error = Moved::decode(1, data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "user.moved version 1 can't be read: version 1 was never released"
    );
}

#[test]
fn an_event_of_another_type_is_left_alone() {
    let moved = new_event(&Moved { user: ann(), town: "Ulm".into() }).unwrap();
    let [moved] = recorded(vec![moved]).try_into().unwrap();
    assert_eq!(names(&moved), Vec::<String>::new());
    assert_eq!(read_event::<Registered>(&moved), Ok(None));
}

#[test]
fn what_cannot_be_read_names_type_version_and_position() {
    let good = Registered { user: ann(), names: vec![], note: String::new() };
    let mut events = recorded(vec![new_event(&good).unwrap(); 4]);
    events[0].data = "{}".into();
    events[1].data = b"{\"user\":\"\xff".to_vec().into();
    events[2].envelope.schema = Some(Schema { name: "user.registered".into(), version: 4 });
    events[3].content_type = ContentType::Other("text/csv".into());
    let says = |at: usize| {
        let error = User::default();
        let mut error = error;
        Fold::apply(&mut error, &events[at]).unwrap_err().to_string()
    };
    assert_eq!(
        says(0),
        "fold user can't apply user.registered version 3 at position 1: missing field `user` at line 1 column 2"
    );
    assert!(says(1).starts_with("fold user can't apply user.registered version 3 at position 2: "));
    assert_eq!(
        says(2),
        "fold user can't apply user.registered version 4 at position 3: this program knows it up to version 3; run a newer program"
    );
    assert_eq!(
        says(3),
        "fold user can't apply user.registered version 3 at position 4: it was written as text/csv, not as JSON"
    );
    let error: DecodeError = read_event::<Registered>(&events[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "user.registered version 3 at position 1 can't be read: missing field `user` at line 1 column 2"
    );
}

#[test]
fn the_model_remembers_the_versions_before_it() {
    let model = Registered::MODEL;
    let older = model.older.unwrap();
    assert_eq!((model.version, older.version, older.older.unwrap().version), (3, 2, 1));
    assert!(model.fields[2].optional && !model.fields[1].optional);
}
