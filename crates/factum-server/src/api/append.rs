//! Append: events with conditions, once for each key (G4, G5).

use factum_store::{
    Append, ByteString, Condition, ExpectedRevision, IdempotencyKey, Invalid, NewEvent, Query,
    Receipt, RequestHash,
};

use super::{Api, ApiError};

/// What is to be appended, and when.
pub(crate) struct AppendEvents {
    pub(crate) ledger: String,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) conditions: Vec<Condition>,
    /// Makes a retry safe.
    pub(crate) key: Option<String>,
}

impl Api {
    pub(crate) async fn append(&self, request: AppendEvents) -> Result<Receipt, ApiError> {
        let ledger = self.ledger(&request.ledger)?;
        let AppendEvents { events, conditions, key, .. } = request;
        refuse_system_types(&events)?;
        let mut append = Append { events, conditions, key: None };
        append.key = key.map(|key| IdempotencyKey {
            principal: ByteString::new(),
            operation: ByteString::from_static("append"),
            key: key.into(),
            request: request_hash(&append),
        });
        self.bulkheads
            .commands
            .run(async move { ledger.append(append).await })
            .await?
            .map_err(ApiError::from)
    }
}

/// Factum's own events are written by Factum alone: they say what it did.
fn refuse_system_types(events: &[NewEvent]) -> Result<(), Invalid> {
    match events.iter().position(|event| event.event_type.is_system()) {
        None => Ok(()),
        Some(i) => {
            let problem = "begins with $; such events are written by Factum alone";
            Err(Invalid::new(format!("events[{i}].type"), problem))
        }
    }
}

/// A hash of everything that was asked for. Each part is preceded by its length or count, so two
/// requests that differ never read the same.
fn request_hash(append: &Append) -> RequestHash {
    let mut hash = Hash(blake3::Hasher::new());
    hash.number(append.events.len());
    for event in &append.events {
        hash.event(event);
    }
    hash.number(append.conditions.len());
    for condition in &append.conditions {
        hash.condition(condition);
    }
    RequestHash(*hash.0.finalize().as_bytes())
}

struct Hash(blake3::Hasher);

impl Hash {
    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    /// Absent and empty differ.
    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.number(usize::from(bytes.is_some()));
        self.bytes(bytes.unwrap_or_default());
    }

    fn event(&mut self, event: &NewEvent) {
        let envelope = &event.envelope;
        self.optional(event.id.as_ref().map(|id| id.0.as_bytes().as_slice()));
        self.optional(event.stream.as_ref().map(|stream| stream.as_str().as_bytes()));
        self.bytes(event.event_type.as_str().as_bytes());
        self.number(event.tags.len());
        event.tags.iter().for_each(|tag| self.bytes(tag.as_str().as_bytes()));
        self.bytes(&event.data);
        self.bytes(event.content_type.as_str().as_bytes());
        self.bytes(&event.metadata);
        self.optional(envelope.schema.as_ref().map(|schema| schema.name.as_bytes().as_ref()));
        self.number(envelope.schema.as_ref().map_or(0, |schema| schema.version as usize));
        self.number(envelope.causation_ids.len());
        envelope.causation_ids.iter().for_each(|id| self.bytes(id.0.as_bytes()));
        for text in
            [&envelope.actor, &envelope.correlation_id, &envelope.command_id, &envelope.trace]
        {
            self.optional(text.as_ref().map(|text| text.as_bytes().as_ref()));
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Revision { stream, expected } => {
                let (kind, revision) = match expected {
                    ExpectedRevision::Any => (0, 0),
                    ExpectedRevision::None => (1, 0),
                    ExpectedRevision::Exists => (2, 0),
                    ExpectedRevision::Exactly(revision) => (3, revision.0),
                };
                self.number(kind);
                self.0.update(&revision.to_le_bytes());
                self.bytes(stream.as_str().as_bytes());
            }
            Condition::NoMatch { query, after } => {
                self.number(4);
                self.0.update(&after.0.to_le_bytes());
                self.query(query);
            }
        }
    }

    fn query(&mut self, query: &Query) {
        self.number(query.items.len());
        for item in &query.items {
            self.number(item.types.len());
            item.types.iter().for_each(|name| self.bytes(name.as_str().as_bytes()));
            self.number(item.tags.len());
            item.tags.iter().for_each(|tag| self.bytes(tag.as_str().as_bytes()));
            self.optional(item.stream.as_ref().map(|stream| stream.as_str().as_bytes()));
            self.optional(item.category.as_ref().map(|category| category.as_str().as_bytes()));
            self.number(usize::from(item.system));
        }
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{EventType, Position, QueryItem, StreamName, Tag};

    use super::*;

    fn event(data: &'static str) -> NewEvent {
        NewEvent::new(EventType::new("a").expect("a name"), data)
    }

    #[test]
    fn requests_that_differ_have_different_hashes() {
        let tag = |text: &str| Tag::new(text).expect("a tag");
        let stream = || StreamName::new("s").expect("a name");
        let query = |item: QueryItem| Condition::NoMatch { query: item.into(), after: Position(1) };
        let at = |expected| Condition::Revision { stream: stream(), expected };
        let mut metadata = event("1");
        metadata.metadata = "{}".into();
        let mut actor = event("1");
        actor.envelope.actor = Some("".into());
        let requests = [
            Append::new([event("1")]),
            Append::new([event("2")]),
            Append::new([event("1"), event("1")]),
            Append::new([event("1").tagged([tag("x")])]),
            Append::new([event("1").tagged([tag("x"), tag("y")])]),
            Append::new([event("1").in_stream(stream())]),
            Append::new([metadata]),
            Append::new([actor]),
            Append::new([event("1")]).when(at(ExpectedRevision::Any)),
            Append::new([event("1")]).when(at(ExpectedRevision::None)),
            Append::new([event("1")]).when(query(QueryItem::default())),
            Append::new([event("1")]).when(query(QueryItem::tags([tag("x")]))),
        ];
        for (i, one) in requests.iter().enumerate() {
            assert_eq!(request_hash(one), request_hash(&one.clone()));
            for other in &requests[..i] {
                assert_ne!(request_hash(one), request_hash(other), "{one:?} and {other:?}");
            }
        }
    }
}
