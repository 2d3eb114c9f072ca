//! Everything without a macro: what the macros write is nothing that a person could not.

use std::{fmt, sync::Arc};

use factum::{
    ApplyError, Carries, Command, CommandModel, Decide, DeciderModel, Emits, Event, EventModel,
    FieldModel, Fold, Id, Invalid, Key, Pending, ReadModel, Reads, Refusal, RefusalModel, Tag,
    read_event, testing::given,
};
use factum_store::RecordedEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DoorId(u8);

impl fmt::Display for DoorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for DoorId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid::new("door", "is a number up to 255"))
    }
}

impl Id for DoorId {
    const KIND: &'static str = "door";
    fn tag(&self) -> Tag {
        Tag::of(Self::KIND, self).expect("a number is a valid tag")
    }
}

#[derive(Serialize, Deserialize)]
pub struct Opened {
    door: DoorId,
}

impl Event for Opened {
    const MODEL: EventModel = EventModel::new(
        "door.opened",
        1,
        &[FieldModel { tag: Some("door"), ..FieldModel::new("door", "DoorId") }],
    );

    fn tags(&self) -> Vec<Tag> {
        vec![self.door.tag()]
    }
}

impl Carries<DoorId> for Opened {}

#[derive(Default)]
pub struct Door {
    open: bool,
}

impl Fold for Door {
    type By = DoorId;
    const NAME: &'static str = "door";
    const VERSION: u32 = 1;
    const CODE: u64 = 0;
    const HEEDS: &'static [EventModel] = &[Opened::MODEL];

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError> {
        let opened = read_event::<Opened>(event)
            .map_err(|e| ApplyError::unreadable("fold door".into(), event, e))?;
        self.open |= opened.is_some();
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
pub struct Open {
    door: DoorId,
}

impl Command for Open {
    const MODEL: CommandModel =
        CommandModel { name: "open", fields: &[FieldModel::new("door", "DoorId")] };
}

pub struct IsOpen(DoorId);

impl fmt::Display for IsOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "door {} is open", self.0)
    }
}

impl Refusal for IsOpen {
    fn code(&self) -> &'static str {
        "is_open"
    }

    fn data(&self) -> Value {
        json!(self.0)
    }

    fn from_parts(code: &str, data: &Value) -> Option<Self> {
        let door = DoorId::deserialize(data).ok()?;
        (code == "is_open").then_some(Self(door))
    }

    fn catalogue() -> Vec<RefusalModel> {
        vec![RefusalModel { code: "is_open", say: "door {0} is open", fields: &[] }]
    }
}

impl Decide for Open {
    type Emits = Opened;
    type Refusal = IsOpen;

    fn decide(&self, reads: &mut Reads) -> Result<Result<Opened, IsOpen>, Pending> {
        let door: Arc<Door> = reads.fold(&self.door, &[])?;
        let door_id = self.door.clone();
        Ok(if door.open { Err(IsOpen(door_id)) } else { Ok(Opened { door: door_id }) })
    }

    fn model() -> DeciderModel {
        let door = ReadModel {
            parameter: "door",
            fold: Door::NAME,
            by: "door",
            many: false,
            heeds: vec![Opened::TYPE],
            ignoring: vec![],
        };
        DeciderModel {
            command: Self::MODEL,
            reads: vec![door],
            emits: Opened::catalogue(),
            refusals: IsOpen::catalogue(),
        }
    }
}

#[test]
fn a_domain_without_macros_is_tested_like_any_other() {
    let open = |door| Open { door: DoorId(door) };
    let opened = |door| Opened { door: DoorId(door) };
    given(opened(2)).when(open(1)).then(opened(1));
    given((opened(2), opened(1))).when(open(1)).refused(IsOpen(DoorId(1)));
    assert_eq!(DoorId::parse("7"), Ok(DoorId(7)));
    assert_eq!(factum::Domain::new("doors").decides::<Open>().check(), Ok(()));
}
