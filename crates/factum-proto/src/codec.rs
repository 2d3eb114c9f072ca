//! [`Codec`]: how messages come off the wire. What a request may have of each part is in a table
//! here, and is checked on its bytes before it is decoded (G12).

use std::{fmt, marker::PhantomData};

use prost::{Message, bytes::Buf};
use tonic::{
    Status,
    codec::{BufferSettings, DecodeBuf, Decoder},
};
use tonic_prost::{ProstDecoder, ProstEncoder};

use crate::{
    Failure,
    shape::{Part, Shape, Unfit},
    v1,
};

/// A message whose parts are bounded.
pub trait Bounded: Message + Default + 'static {
    /// How many of which.
    const SHAPE: &'static Shape;
}

/// The codec of every call.
pub struct Codec<T, U>(PhantomData<fn(T) -> U>);

/// Decodes what is within its bounds.
pub struct BoundedDecoder<U>(ProstDecoder<U>);

/// The message that these bytes are, if it is within its bounds.
///
/// # Errors
/// A status: INVALID_ARGUMENT when it is not, INTERNAL when they are no such message.
pub fn decode<M: Bounded>(message: &[u8]) -> Result<M, Status> {
    M::SHAPE.check(message)?;
    M::decode(message).map_err(|error| Status::internal(error.to_string()))
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Bounded + Send,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(ProstDecoder::new(BufferSettings::default()))
    }
}

impl<U: Bounded> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // A message is gathered before it is decoded: it is one piece.
        U::SHAPE.check(message.chunk())?;
        self.0.decode(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

impl<T, U> fmt::Debug for Codec<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

impl<U> fmt::Debug for BoundedDecoder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundedDecoder")
    }
}

impl From<Unfit> for Status {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::TooMany(invalid) => Failure::from(invalid).into(),
            Unfit::Malformed(problem) => {
                Self::internal(format!("the message can't be read: {problem}"))
            }
        }
    }
}

static PLAIN: Shape = Shape::PLAIN;

const fn list(field: u32, name: &'static str, at_most: u32, of: &'static Shape) -> Part {
    Part { field, name, at_most: Some(at_most), of }
}

const fn one(field: u32, name: &'static str, of: &'static Shape) -> Part {
    Part { field, name, at_most: None, of }
}

static ITEM: Shape = Shape(&[list(1, "types", 256, &PLAIN), list(2, "tags", 256, &PLAIN)]);
static QUERY: Shape = Shape(&[list(1, "items", 256, &ITEM)]);
static NO_MATCH: Shape = Shape(&[one(1, "query", &QUERY)]);
static CONDITION: Shape = Shape(&[one(2, "", &NO_MATCH)]);
static ENVELOPE: Shape = Shape(&[list(4, "causation_ids", 64, &PLAIN)]);
static EVENT: Shape = Shape(&[list(4, "tags", 64, &PLAIN), one(8, "", &ENVELOPE)]);

static DELIVERIES: Shape = Shape(&[list(1, "deliveries", 1_024, &PLAIN)]);

/// Messages, and what of them is counted.
macro_rules! bounded {
    ($($message:ident: [$($part:expr),*]),* $(,)?) => {$(
        impl Bounded for v1::$message {
            const SHAPE: &'static Shape = &Shape(&[$($part),*]);
        }
    )*};
}

bounded! {
    AppendRequest: [list(2, "events", 4_096, &EVENT), list(3, "conditions", 256, &CONDITION)],
    AppendStreamRequest: [list(3, "events", 4_096, &EVENT), list(4, "conditions", 256, &CONDITION)],
    ReadRequest: [one(2, "", &QUERY)],
    SubscribeRequest: [one(2, "", &QUERY)],
    ListLedgersRequest: [], HeadRequest: [], DescribeStreamRequest: [], FindEventRequest: [],
    FindReceiptRequest: [], PositionAtRequest: [], RunRequest: [], ListViewsRequest: [],
    AskRequest: [],
    ConsumeRequest: [
        one(2, "ack", &DELIVERIES), one(3, "nack", &DELIVERIES), one(4, "extend", &DELIVERIES)
    ],
    // What a client gets from the server that it has chosen.
    ListLedgersResponse: [], HeadResponse: [], AppendResponse: [], AppendStreamResponse: [],
    ReadResponse: [], SubscribeResponse: [], DescribeStreamResponse: [], FindEventResponse: [],
    FindReceiptResponse: [], PositionAtResponse: [], RunResponse: [], ListViewsResponse: [],
    AskResponse: [], ConsumeResponse: [],
}

#[cfg(test)]
mod tests {
    use factum_store::{Append, Condition, Limits, NewEvent, Query, QueryItem};

    use super::*;

    fn request(append: Append) -> v1::AppendRequest {
        v1::AppendRequest {
            events: append.events.into_iter().map(Into::into).collect(),
            conditions: append.conditions.into_iter().map(Into::into).collect(),
            ..v1::AppendRequest::default()
        }
    }

    fn event() -> NewEvent {
        NewEvent::new("a".parse().expect("a type"), "{}")
    }

    fn no_match(items: usize, terms: usize) -> Condition {
        let types = vec!["a".parse().expect("a type"); terms];
        let item = QueryItem { types, ..QueryItem::default() };
        let query = Query { items: vec![item; items] };
        Condition::NoMatch { query, after: factum_store::Position::START }
    }

    /// The field that a request is refused for.
    fn refused(append: Append) -> Option<String> {
        let status = decode::<v1::AppendRequest>(&request(append).encode_to_vec()).err()?;
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
        match Failure::of(&status).more {
            Some(v1::error::More::Invalid(invalid)) => Some(invalid.field),
            more => panic!("{more:?}"),
        }
    }

    /// The largest of everything that a ledger takes by default, and one more of each.
    #[test]
    fn bounds_are_the_ledgers_own_limits() {
        let limits = Limits::default();
        let append = |events, conditions| Append { events, conditions, key: None };
        let tagged = |tags: usize, causes: usize| {
            let mut event = event();
            event.tags = (0..tags).map(|n| format!("t:{n:03}").parse().expect("a tag")).collect();
            let id = "018f2f6e-0000-7000-8000-000000000001".parse().expect("an id");
            event.envelope.causation_ids = vec![id; causes];
            event
        };
        let (tags, causes) = (limits.tags_max, limits.causes_max);
        let (items, terms) = (limits.query_items_max, limits.query_terms_max);
        let largest = append(vec![tagged(tags, causes); limits.batch_events_max], Vec::new());
        assert_eq!((limits.check_append(&largest), refused(largest)), (Ok(()), None));
        let guarded =
            |count, items, terms| append(vec![event()], vec![no_match(items, terms); count]);
        let conditions = limits.conditions_max;
        for fits in [guarded(conditions, items, 1), guarded(1, items, terms)] {
            assert_eq!((limits.check_append(&fits), refused(fits)), (Ok(()), None));
        }
        for (more, field) in [
            (append(vec![event(); limits.batch_events_max + 1], Vec::new()), "events"),
            (append(vec![event(), tagged(tags + 1, 0)], Vec::new()), "events[1].tags"),
            (append(vec![tagged(0, causes + 1)], vec![]), "events[0].causation_ids"),
            (guarded(conditions + 1, 1, 1), "conditions"),
            (guarded(1, items + 1, 1), "conditions[0].query.items"),
            (guarded(1, 1, terms + 1), "conditions[0].query.items[0].types"),
        ] {
            assert!(limits.check_append(&more).is_err());
            assert_eq!(refused(more).as_deref(), Some(field));
        }
    }

    #[test]
    fn g12_a_message_of_nothing_but_empty_parts_is_not_decoded() {
        for part in [&[0x12, 0][..], &[0x1a, 0]] {
            let message = part.repeat(2 << 20);
            let status = decode::<v1::AppendRequest>(&message).expect_err("is too many");
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
        // Lists within their limits, in so many messages that they are too many in all.
        let item = v1::QueryItem { tags: vec!["t".into(); 256], ..v1::QueryItem::default() };
        let query = v1::Query { items: vec![item; 256] };
        let no_match = v1::NoMatchCondition { query: Some(query), after: 0 };
        let condition = Some(v1::condition::Condition::NoMatch(no_match));
        let conditions = vec![v1::Condition { condition }; 16];
        let request = v1::AppendRequest { conditions, ..v1::AppendRequest::default() };
        let status = decode::<v1::AppendRequest>(&request.encode_to_vec()).expect_err("too many");
        assert!(status.message().starts_with("the request has more than"), "{status:?}");
    }
}
