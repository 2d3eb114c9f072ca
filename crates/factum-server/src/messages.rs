//! [`Messages`]: the body of a gRPC request, message by message. Before a message comes in there is
//! room for it, and it comes in time; so neither many large ones nor one that never ends can grow
//! the server or hold its room (G12).

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tower::BoxError;

use crate::api::{ApiError, Room, Share};

/// Bytes before a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// How the messages of a request are received.
pub(crate) struct Receiving {
    /// Where they find room; without one they are not counted.
    pub(crate) room: Option<Arc<Room>>,
    /// Bytes of one message: no room is sought for a larger one, which is refused by whoever reads it.
    pub(crate) bytes_max: usize,
    /// How long a message may take, and all of a request that has only one.
    pub(crate) patience: Duration,
    /// Whether it is a stream of messages, which may be silent between them.
    pub(crate) many: bool,
    /// How its face says what is wrong.
    pub(crate) said: fn(ApiError) -> Status,
}

/// The room that the messages of a request take: until it is taken by who works on them, or the
/// request is answered; of a stream of messages, until the next one comes.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Option<Share>>>);

impl Held {
    /// Hands the room over to whoever has the messages now.
    pub(crate) fn take(&self) -> Option<Share> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, share: Share) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(share.and(held.take()));
    }
}

/// Room that is being waited for.
type Asking = Pin<Box<dyn Future<Output = Result<Share, ApiError>> + Send>>;

/// A body, passed on message by message.
pub(crate) struct Messages<B> {
    body: B,
    how: Receiving,
    held: Held,
    /// What came and was not passed on.
    rest: Bytes,
    /// Bytes of the message that still belong to it.
    left: usize,
    asking: Option<Asking>,
    /// Runs while something is due.
    late: Option<Pin<Box<Sleep>>>,
}

impl<B> Messages<B> {
    pub(crate) fn new(body: B, how: Receiving, held: Held) -> Self {
        Self { body, how, held, rest: Bytes::new(), left: 0, asking: None, late: None }
    }

    /// The length of the message that begins here.
    fn next_len(&self) -> Option<usize> {
        let head = self.rest.get(1..HEAD).filter(|_| self.left == 0)?;
        let len = u32::from_be_bytes(head.try_into().ok()?);
        usize::try_from(len).ok()
    }

    /// Finds room for a message.
    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Result<(), ApiError>> {
        let Some(room) = self.how.room.as_ref().filter(|_| bytes <= self.how.bytes_max) else {
            return Poll::Ready(Ok(()));
        };
        if self.asking.is_none()
            && let Some(share) = room.take_now(bytes)
        {
            self.held.add(share);
            return Poll::Ready(Ok(()));
        }
        let asking = self.asking.get_or_insert_with(|| {
            let room = Arc::clone(room);
            Box::pin(async move { room.take(bytes).await })
        });
        let share = ready!(asking.as_mut().poll(cx));
        self.asking = None;
        Poll::Ready(share.map(|share| self.held.add(share)))
    }

    /// The next part of the message.
    fn part(&mut self) -> Bytes {
        let part = self.rest.split_to(self.left.min(self.rest.len()));
        self.left -= part.len();
        if self.left == 0 && self.how.many {
            self.late = None;
        }
        part
    }

    fn gather(&mut self, more: Bytes) {
        self.rest = match self.rest.is_empty() {
            true => more,
            // A head that came in two parts.
            false => [&self.rest[..], &more].concat().into(),
        };
    }

    /// Nothing has come: whether it is too late for it.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.how.many && self.left == 0 && self.rest.is_empty() {
            return Poll::Pending;
        }
        let patience = self.how.patience;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(patience)));
        late.as_mut().poll(cx).map(|()| {
            let seconds = patience.as_secs_f64();
            Status::deadline_exceeded(format!("the message took more than {seconds} s to come"))
        })
    }
}

impl<B> HttpBody for Messages<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if let Some(len) = this.next_len() {
                if this.how.many && this.asking.is_none() {
                    // The last one was read. Whoever still works on it has taken its room.
                    drop(this.held.take());
                }
                if let Err(error) = ready!(this.poll_room(cx, len)) {
                    return Poll::Ready(Some(Err((this.how.said)(error).into())));
                }
                this.left = HEAD + len;
            }
            if this.left > 0 && !this.rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(this.part()))));
            }
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame.transpose().map_err(Into::into)?,
                Poll::Pending => return this.poll_late(cx).map(|status| Some(Err(status.into()))),
            };
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => this.gather(data),
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                // The beginning of a head, if anything: for whoever reads it to refuse.
                None if this.rest.is_empty() => return Poll::Ready(None),
                None => {
                    let rest = std::mem::take(&mut this.rest);
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_lite::{StreamExt, future::poll_fn, stream};

    use super::*;
    use crate::{Config, grpc};

    fn message(len: usize) -> Vec<u8> {
        let head = u32::try_from(len).expect("is short").to_be_bytes();
        [&[0][..], &head, &vec![7; len]].concat()
    }

    fn room() -> Arc<Room> {
        let (message_bytes_max, body_bytes_max) = (4 << 10, 0);
        let config = Config { message_bytes_max, body_bytes_max, bodies_bytes_max: 0, ..config() };
        Arc::new(Room::new(&config))
    }

    fn config() -> Config {
        Config { patience: Duration::from_secs(2), ..Config::default() }
    }

    /// What comes in, in these parts, and then nothing more, or the end.
    fn messages(
        room: &Arc<Room>,
        many: bool,
        parts: Vec<Vec<u8>>,
        ends: bool,
    ) -> (Messages<Body>, Held) {
        let held = Held::default();
        let (patience, said) = (Duration::from_secs(30), grpc::status);
        let how = Receiving { room: Some(room.clone()), bytes_max: 4 << 10, patience, many, said };
        let parts = stream::iter(parts.into_iter().map(Ok::<_, std::io::Error>));
        let body = match ends {
            true => Body::from_stream(parts),
            false => Body::from_stream(parts.chain(stream::pending())),
        };
        (Messages::new(body, how, held.clone()), held)
    }

    async fn next(messages: &mut Messages<Body>) -> Option<Result<Bytes, Status>> {
        let frame = poll_fn(|cx| Pin::new(&mut *messages).poll_frame(cx)).await?;
        Some(match frame {
            Ok(frame) => Ok(frame.into_data().expect("is data")),
            Err(error) => Err(Status::from_error(error)),
        })
    }

    #[tokio::test]
    async fn what_came_is_passed_on_message_by_message_however_it_came() {
        let all = [message(0), message(3), message(2_000), message(1)].concat();
        for size in [1, 2, 3, 5, 7, 64, 5_000] {
            let parts = all.chunks(size).map(<[u8]>::to_vec).collect();
            let (mut messages, held) = messages(&room(), true, parts, true);
            let mut came = Vec::new();
            while let Some(part) = next(&mut messages).await {
                came.extend_from_slice(&part.expect("there is room"));
                // Whoever is handed a message takes its room too.
                drop(held.take());
            }
            assert_eq!(came, all, "in parts of {size} bytes");
        }
        let (mut cut, _held) = messages(&room(), false, vec![message(3)[..4].to_vec()], true);
        assert_eq!(next(&mut cut).await.expect("is passed on").expect("as it is").len(), 4);
        assert!(next(&mut cut).await.is_none());
    }

    /// Whoever is done with a message when it was read need not say so.
    #[tokio::test]
    async fn the_room_of_a_stream_is_that_of_one_message() {
        let room = room();
        let parts = vec![message(3_000); 100];
        let (mut messages, _held) = messages(&room, true, parts, true);
        let mut came = 0;
        while let Some(part) = next(&mut messages).await {
            came += part.expect("there is room").len();
        }
        assert_eq!(came, 100 * 3_005);
        assert!(room.take_now(2_100).is_none() && room.take_now(1_000).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn g12_a_message_without_room_waits_for_it_and_is_then_refused() {
        let room = room();
        let (mut first, held) = messages(&room, false, vec![message(4_000)[..50].to_vec()], false);
        assert!(next(&mut first).await.expect("comes").is_ok());
        let (mut second, _other) = messages(&room, false, vec![message(3_000)], true);
        let refused = next(&mut second).await.expect("is answered").expect_err("there is no room");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").expect("a hint"), "1000");
        // The room is whoever's works on the message, not the connection's.
        drop(first);
        let (mut third, _another) = messages(&room, false, vec![message(3_000)], true);
        assert!(next(&mut third).await.expect("is answered").is_err());
        drop(held);
        let (mut fourth, _last) = messages(&room, false, vec![message(3_000)], true);
        assert!(next(&mut fourth).await.expect("comes").is_ok());
    }

    /// Ended at once it would be, if its length alone took room: whoever reads it refuses it.
    #[tokio::test]
    async fn a_message_that_is_too_large_is_passed_on_to_be_refused() {
        let room = room();
        let (mut messages, held) =
            messages(&room, false, vec![message(1 << 20)[..9].to_vec()], false);
        assert_eq!(next(&mut messages).await.expect("comes").expect("is passed on").len(), 9);
        assert!(held.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn g12_a_message_that_does_not_end_is_not_waited_for_and_silence_between_two_is() {
        let room = room();
        let silent = |many, parts| messages(&room, many, parts, false);
        for (many, parts) in
            [(false, vec![]), (false, vec![message(1)]), (true, vec![message(9)[..12].to_vec()])]
        {
            let passed_on = parts.len();
            let (mut messages, _held) = silent(many, parts);
            for _ in 0..passed_on {
                assert!(next(&mut messages).await.expect("comes").is_ok());
            }
            let late = next(&mut messages).await.expect("is answered").expect_err("is too late");
            assert_eq!(late.code(), tonic::Code::DeadlineExceeded);
        }
        let (mut messages, _held) = silent(true, vec![message(1)]);
        assert!(next(&mut messages).await.expect("comes").is_ok());
        let waited = tokio::time::timeout(Duration::from_secs(600), next(&mut messages)).await;
        assert!(waited.is_err(), "more may come later");
    }
}
