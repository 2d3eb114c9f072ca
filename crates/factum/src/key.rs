//! The key of a plain append, and the hash of what it asks for.

use factum_store::{
    Append, ByteString, Condition, ExpectedRevision, IdempotencyKey, NewEvent, Query, RequestHash,
};

/// The idempotency key of an append that is no command. The hash covers the events and conditions
/// as they were asked for; an identity that the ledger is to make is no part of it.
#[must_use]
pub fn append_key(principal: &str, key: &str, append: &Append) -> IdempotencyKey {
    let mut hash = Canonical(blake3::Hasher::new());
    hash.number(append.events.len());
    append.events.iter().for_each(|event| hash.event(event));
    hash.number(append.conditions.len());
    append.conditions.iter().for_each(|condition| hash.condition(condition));
    IdempotencyKey {
        principal: principal.into(),
        operation: ByteString::from_static("append"),
        key: key.into(),
        request: RequestHash(*hash.0.finalize().as_bytes()),
    }
}

/// Every part with its length before it, so that no two requests read the same.
struct Canonical(blake3::Hasher);

impl Canonical {
    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: Option<&str>) {
        self.number(text.is_some().into());
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    fn event(&mut self, event: &NewEvent) {
        self.text(event.id.map(|id| id.to_string()).as_deref());
        self.text(event.stream.as_ref().map(|stream| stream.as_str()));
        self.text(Some(event.event_type.as_str()));
        self.number(event.tags.len());
        event.tags.iter().for_each(|tag| self.text(Some(tag.as_str())));
        self.bytes(&event.data);
        self.text(Some(event.content_type.as_str()));
        self.bytes(&event.metadata);
        let envelope = &event.envelope;
        let schema = envelope.schema.as_ref();
        self.text(schema.map(|schema| &*schema.name));
        self.number(schema.map_or(0, |schema| schema.version as usize));
        for text in
            [&envelope.actor, &envelope.correlation_id, &envelope.command_id, &envelope.trace]
        {
            self.text(text.as_deref());
        }
        self.number(envelope.causation_ids.len());
        envelope.causation_ids.iter().for_each(|id| self.bytes(id.0.as_bytes()));
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Revision { stream, expected } => {
                self.text(Some(stream.as_str()));
                let (kind, revision) = match expected {
                    ExpectedRevision::Any => (1, 0),
                    ExpectedRevision::None => (2, 0),
                    ExpectedRevision::Exists => (3, 0),
                    ExpectedRevision::Exactly(revision) => (4, revision.0),
                };
                self.number(kind);
                self.number(revision as usize);
            }
            Condition::NoMatch { query, after } => {
                self.text(None);
                self.query(query);
                self.number(after.0 as usize);
            }
        }
    }

    fn query(&mut self, query: &Query) {
        self.number(query.items.len());
        for item in &query.items {
            self.number(item.types.len());
            item.types.iter().for_each(|name| self.text(Some(name.as_str())));
            self.number(item.tags.len());
            item.tags.iter().for_each(|tag| self.text(Some(tag.as_str())));
            self.text(item.stream.as_ref().map(|stream| stream.as_str()));
            self.text(item.category.as_ref().map(|category| category.as_str()));
            self.number(item.system.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{EventType, Position, QueryItem, StreamName, Tag};

    use super::*;

    #[test]
    fn the_hash_is_of_the_request_and_of_nothing_else() {
        let event = |data: &'static str| {
            NewEvent::new(EventType::new("t").unwrap(), data).tagged([Tag::new("a:b").unwrap()])
        };
        let hash = |append: &Append| append_key("p", "k", append).request;
        let one = Append::new([event("1")]);
        assert_eq!(hash(&one), hash(&one.clone()));
        let query = Query::from(QueryItem::tags([Tag::new("a:b").unwrap()]));
        let stream = StreamName::new("s").unwrap();
        let revision = |expected| Condition::Revision { stream: stream.clone(), expected };
        let others = [
            Append::new([event("2")]),
            Append::new([event("1"), event("1")]),
            Append::new([event("1").in_stream(stream.clone())]),
            one.clone().when(Condition::NoMatch { query, after: Position(1) }),
            one.clone().when(revision(ExpectedRevision::None)),
            one.clone().when(revision(ExpectedRevision::Exists)),
        ];
        for (i, a) in others.iter().enumerate() {
            assert_ne!(hash(a), hash(&one), "{i}");
            assert!(others[..i].iter().all(|b| hash(a) != hash(b)), "{i}");
        }
    }
}
