//! Requests, decoded straight into what the API takes, when they are within [`bounds`].

use std::collections::HashSet;

use bytes::Bytes;
use factum_store::{
    ByteString, ContentType, Direction, Envelope, EventId, EventType, Invalid, NewEvent, Position,
    Query, QueryItem, Tag,
};

use super::{
    bounds,
    notes::{Notes, RESERVED, sorted},
    status::Refused,
    wire::{Fields, Malformed},
};
use crate::api::{AppendInBoundary, Boundary, ScanEvents, SubscribeEvents, Tracking};

/// Events in one answer, when nobody says how many, and at most.
const BATCH: u64 = 1_024;
const BATCH_MAX: u64 = 4_096;

/// A subscription, and how many events an answer of it has at most.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) events: SubscribeEvents,
    pub(super) batch: usize,
}

pub(super) fn append(ledger: String, message: Bytes) -> Result<AppendInBoundary, Refused> {
    bounds::APPEND.check(&message)?;
    let mut fields = Fields::of(message);
    let (mut messages, mut boundary, mut tracking) = (Vec::new(), None, None);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => messages.push(value.bytes()?),
            2 => once("condition", &mut boundary, condition(value.bytes()?)?)?,
            3 => once("tracking_info", &mut tracking, tracked(value.bytes()?)?)?,
            _ => {}
        }
    }
    let mut events = Vec::with_capacity(messages.len());
    for message in messages {
        let event = event(message);
        events.push(event.map_err(|refused| refused.within(&format!("events[{}]", events.len())))?);
    }
    Ok(AppendInBoundary { ledger, events, boundary, tracking })
}

pub(super) fn read(ledger: String, message: Bytes) -> Result<ScanEvents, Refused> {
    bounds::READ.check(&message)?;
    let mut fields = Fields::of(message);
    let mut query_given = None;
    let (mut start, mut backwards, mut limit, mut batch) = (None, false, None, BATCH);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => once("query", &mut query_given, query(value.bytes()?)?)?,
            2 => start = Some(Position(value.number()?)),
            3 => backwards = value.number()? != 0,
            4 => limit = Some(value.number()?),
            5 => refuse_to_follow(value.number()? != 0)?,
            6 => batch = value.number()?,
            _ => {}
        }
    }
    let direction = if backwards { Direction::Backward } else { Direction::Forward };
    let query = query_given.unwrap_or_else(Query::all);
    Ok(ScanEvents { ledger, query, start, direction, limit, batch: batch_size(batch) })
}

pub(super) fn subscribe(ledger: String, message: Bytes) -> Result<Follow, Refused> {
    bounds::SUBSCRIBE.check(&message)?;
    let mut fields = Fields::of(message);
    let (mut query_given, mut after, mut batch) = (None, Position::START, BATCH);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => once("query", &mut query_given, query(value.bytes()?)?)?,
            2 => after = Position(value.number()?),
            3 => batch = value.number()?,
            _ => {}
        }
    }
    let query = query_given.unwrap_or_else(Query::all);
    let events = SubscribeEvents { ledger, query, after };
    Ok(Follow { events, batch: batch_size(batch) })
}

/// There was a time when a read could go on as a subscription.
fn refuse_to_follow(asked: bool) -> Result<(), Invalid> {
    match asked {
        false => Ok(()),
        true => Err(Invalid::new("subscribe", "is no longer taken; call Subscribe instead")),
    }
}

fn batch_size(asked: u64) -> usize {
    usize::try_from(asked.clamp(1, BATCH_MAX)).unwrap_or(1)
}

fn event(message: Bytes) -> Result<NewEvent, Refused> {
    let mut fields = Fields::of(message);
    let (mut event_type, mut tags, mut data, mut id) = (None, Vec::new(), Bytes::new(), None);
    let mut entries = Vec::new();
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => event_type = Some(text(value.bytes()?)?),
            2 => {
                let tag = own_tag(text(value.bytes()?)?);
                tags.push(tag.map_err(|invalid| indexed("tags", tags.len(), invalid))?);
            }
            3 => data = value.bytes()?,
            4 => id = identity(&text(value.bytes()?)?)?,
            5 => entries.push(entry(value.bytes()?)?),
            _ => {}
        }
    }
    check_keys(&entries)?;
    let (tags, tag_order) = sorted(tags);
    let pairs = entries.iter().map(|(key, value)| ((&**key).into(), (&**value).into()));
    let notes = Notes { entries: pairs.collect(), tag_order, ..Notes::default() };
    Ok(NewEvent {
        id,
        stream: None,
        event_type: EventType::new(event_type.unwrap_or_default())?,
        tags,
        content_type: content_type(&data),
        data,
        metadata: notes.to_metadata(),
        envelope: Envelope::default(),
    })
}

fn own_tag(text: ByteString) -> Result<Tag, Invalid> {
    let tag = Tag::new(text)?;
    match Tracking::is_tag(&tag) {
        false => Ok(tag),
        true => Err(Invalid::new("tag", "begins with $tracking:, which Factum keeps for itself")),
    }
}

/// Clients send bytes and do not say what they are. What begins and ends like a JSON object or array
/// is taken for one; should it be none after all, who shows it as JSON finds that out.
fn content_type(data: &[u8]) -> ContentType {
    match (data.first(), data.last()) {
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => ContentType::Json,
        _ => ContentType::Other(ByteString::new()),
    }
}

fn identity(text: &str) -> Result<Option<EventId>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = text.parse::<EventId>();
    Ok(Some(id.map_err(|invalid| Invalid { field: "uuid".into(), ..invalid })?))
}

fn entry(message: Bytes) -> Result<(ByteString, ByteString), Refused> {
    let mut fields = Fields::of(message);
    let (mut key, mut value) = (ByteString::new(), ByteString::new());
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = text(field.bytes()?)?,
            2 => value = text(field.bytes()?)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Each key once, and none that the order of tags or the tracking is kept under.
fn check_keys(entries: &[(ByteString, ByteString)]) -> Result<(), Invalid> {
    let mut keys = HashSet::new();
    for (key, _) in entries {
        if RESERVED.contains(&&**key) {
            let problem = format!("has the key {key:?}, which Factum keeps for itself");
            return Err(Invalid::new("metadata", problem));
        }
        if entries.len() > 1 && !keys.insert(key) {
            return Err(Invalid::new("metadata", format!("has the key {key:?} twice")));
        }
    }
    Ok(())
}

fn condition(message: Bytes) -> Result<Boundary, Refused> {
    let mut fields = Fields::of(message);
    let (mut query_given, mut after) = (None, Position::START);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => once("condition.fail_if_events_match", &mut query_given, query(value.bytes()?)?)?,
            2 => after = Position(value.number()?),
            _ => {}
        }
    }
    Ok(Boundary { query: query_given.unwrap_or_else(Query::all), after })
}

fn tracked(message: Bytes) -> Result<Tracking, Refused> {
    let mut fields = Fields::of(message);
    let (mut source, mut position) = (ByteString::new(), 0);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => source = text(value.bytes()?)?,
            2 => position = value.number()?,
            _ => {}
        }
    }
    Ok(Tracking { source: source.to_string(), position })
}

/// Without items everything matches, where in a query of ours nothing would.
fn query(message: Bytes) -> Result<Query, Refused> {
    let mut fields = Fields::of(message);
    let mut items = Vec::new();
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            let within =
                |refused: Refused| refused.within(&format!("query.items[{}]", items.len()));
            let item = item(value.bytes()?).map_err(within)?;
            items.push(item);
        }
    }
    Ok(if items.is_empty() { Query::all() } else { Query { items } })
}

fn item(message: Bytes) -> Result<QueryItem, Refused> {
    let mut fields = Fields::of(message);
    let mut item = QueryItem::default();
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let name = EventType::new(text(value.bytes()?)?);
                item.types.push(name.map_err(|e| indexed("types", item.types.len(), e))?);
            }
            2 => {
                let name = Tag::new(text(value.bytes()?)?);
                item.tags.push(name.map_err(|e| indexed("tags", item.tags.len(), e))?);
            }
            _ => {}
        }
    }
    Ok(item)
}

fn text(bytes: Bytes) -> Result<ByteString, Malformed> {
    ByteString::try_from(bytes).map_err(|_| Malformed("a text is not UTF-8"))
}

fn indexed(list: &str, at: usize, invalid: Invalid) -> Invalid {
    Invalid { field: format!("{list}[{at}]"), ..invalid }
}

/// A message that may stand once.
fn once<T>(field: &str, slot: &mut Option<T>, value: T) -> Result<(), Invalid> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Invalid::new(field, "is given twice")),
    }
}
