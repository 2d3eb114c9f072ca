//! [`Lasting`]: a body that ends when whoever it is for, or from, is no longer who they were. So no
//! face has to think of it, and a stream can't outlive the right to it.
//!
//! What had been answered by then is answered: the first part of a body passes, and the end of one
//! that has been said whole.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use factum_store::BoxFuture;
use http::{HeaderMap, Response};
use hyper::body::{Frame, SizeHint};

use crate::access::{Standing, Stop};

/// How a body says that it was ended.
#[derive(Clone, Copy)]
pub(crate) enum Last {
    /// The connection, or the stream of it, breaks.
    Cut,
    /// With the trailers of what a stranger is answered over gRPC.
    Trailers(fn(Stop) -> Response<Body>),
}

/// A body, as long as somebody is who they were.
pub(crate) struct Lasting {
    body: Body,
    standing: Standing,
    last: Last,
    ended: Option<BoxFuture<'static, ()>>,
    begun: bool,
    has_ended: bool,
}

impl Lasting {
    /// The same body; one whose length is known is as good as sent, and stays as it is.
    pub(crate) fn over(body: Body, standing: Standing, last: Last) -> Body {
        match body.size_hint().exact() {
            Some(_) => body,
            None => Body::new(Self {
                body,
                standing,
                last,
                ended: None,
                begun: false,
                has_ended: false,
            }),
        }
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.has_ended = true;
        Poll::Ready(Some(match self.last {
            Last::Cut => {
                let said = "who asked is not known any more: the token was revoked, or has ended";
                Err(axum::Error::new(io::Error::other(said)))
            }
            Last::Trailers(stopped) => Ok(Frame::trailers(trailers(stopped(Stop::Stranger)))),
        }))
    }
}

/// What an answer of gRPC that has no message says in its head.
fn trailers(answer: Response<Body>) -> HeaderMap {
    let headers = answer.headers().iter();
    let said = headers.filter(|(name, _)| name.as_str().starts_with("grpc-"));
    said.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && this.begun => {
                match this.standing.is_good() {
                    true => Poll::Ready(Some(Ok(frame))),
                    false => this.end(),
                }
            }
            Poll::Ready(frame) => {
                this.begun = true;
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let standing = &this.standing;
                let ended = this.ended.get_or_insert_with(|| standing.ended());
                match ended.as_mut().poll(cx) {
                    Poll::Ready(()) => this.end(),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
