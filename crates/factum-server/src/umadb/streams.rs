//! Answers that are streams. Of a read, the next answer is made while the last one is sent, and no
//! further; of a subscription, when there is something to tell. So a slow reader costs as much
//! memory as two answers, and never makes the server wait (G11, G12).

use std::{pin::Pin, sync::Arc};

use factum_store::{Position, RecordedEvent, Signal};
use futures_lite::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    answer::{Answer, answers, nothing},
    status,
    wire::Encoded,
};
use crate::{
    api::{Api, ApiError, Scan, Subscription},
    connection::stop,
};

/// A stream of answers.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<Encoded, Status>> + Send>>;

/// The answers of a read. Whoever reads is told the head, even when nothing matches. They end when
/// the ledger is deleted: a slow reader does not keep it.
pub(super) async fn read(
    api: Arc<Api>,
    scan: Scan,
    limited: bool,
    batch: usize,
    mut stopping: watch::Receiver<bool>,
) -> Result<Answers, Status> {
    let mut gone = scan.gone.clone();
    let mut reading = Reading { api, scan: Some(scan), limited, batch, said: false };
    // Most reads find little: then a task of their own would take longer than they do.
    let first = tokio::select! {
        first = reading.step() => first?,
        () = stop(&mut stopping) => return Err(status::stopping(None)),
    };
    if reading.is_over() {
        let answers = first.into_iter().map(|answer| answer.map(|(answer, _)| answer));
        return Ok(Box::pin(stream::iter(answers)));
    }
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut last = None;
        let ended = tokio::select! {
            ended = reading.send_all(first, &mut last, &send) => ended,
            () = stop(&mut stopping) => Err(status::stopping(last)),
            () = gone.wait() => Err(status::deleted(last)),
        };
        if let Err(status) = ended {
            let _ = send.send(Err(status)).await;
        }
    });
    Ok(Box::pin(ReceiverStream::new(receive)))
}

/// A read that is under way.
struct Reading {
    api: Arc<Api>,
    /// `None` after an error.
    scan: Option<Scan>,
    limited: bool,
    batch: usize,
    /// Whether anything was answered.
    said: bool,
}

impl Reading {
    fn is_over(&self) -> bool {
        self.scan.as_ref().is_none_or(Scan::is_over)
    }

    /// Reads on. There may be no answer before the end: so much is looked at at once, and no more.
    async fn step(&mut self) -> Result<Vec<Answer>, Status> {
        let Some(scan) = self.scan.take() else { return Ok(Vec::new()) };
        let (limited, batch) = (self.limited, self.batch);
        let make = move |scan: &Scan, events: Vec<RecordedEvent>| {
            let head = scan.head.filter(|_| !limited).map(|head| head.0);
            let made = answers(&events, batch, |last| if limited { Some(last) } else { head });
            (made, head)
        };
        let (scan, (mut made, head)) = self.api.scan_on(scan, make).await.map_err(status::of)?;
        if scan.is_over() && made.is_empty() && !self.said {
            made.push(Ok((nothing(head), None)));
        }
        self.said |= !made.is_empty();
        self.scan = Some(scan);
        Ok(made)
    }

    /// Sends one answer after the other, until the end or until nobody listens.
    async fn send_all(
        &mut self,
        mut made: Vec<Answer>,
        last: &mut Option<u64>,
        to: &mpsc::Sender<Result<Encoded, Status>>,
    ) -> Result<(), Status> {
        loop {
            for answer in made {
                let (answer, position) = answer?;
                *last = position.or(*last);
                if to.send(Ok(answer)).await.is_err() {
                    return Ok(());
                }
            }
            if self.is_over() {
                return Ok(());
            }
            made = self.step().await?;
        }
    }
}

/// The answers of a subscription. They end when the server does, or after a problem.
pub(super) fn subscribe(
    events: Subscription,
    after: Position,
    batch: usize,
    stopping: watch::Receiver<bool>,
) -> Answers {
    // Nothing can come after the last position.
    let open = (after < Position::END).then_some(Open { events, batch, stopping, last: None });
    let told = stream::unfold(open, |open| async move {
        let mut open = open?;
        let told = open.next().await;
        let goes_on = told.last().is_some_and(Result::is_ok);
        Some((stream::iter(told), goes_on.then_some(open)))
    });
    Box::pin(told.flatten())
}

struct Open {
    events: Subscription,
    batch: usize,
    stopping: watch::Receiver<bool>,
    /// The last position that was sent.
    last: Option<u64>,
}

impl Open {
    /// The next answers, at least one; none at the end.
    async fn next(&mut self) -> Vec<Result<Encoded, Status>> {
        loop {
            let signals = tokio::select! {
                biased;
                () = stop(&mut self.stopping) => return vec![Err(status::stopping(self.last))],
                signals = self.events.next() => signals,
            };
            let Some(signals) = signals else { return Vec::new() };
            let (mut events, mut problem) = (Vec::with_capacity(signals.len()), None);
            for signal in signals {
                match signal {
                    Ok(Signal::Event(event)) => events.push(*event),
                    Ok(_) => {}
                    Err(error) => problem = Some(status::of(ApiError::from(error))),
                }
            }
            let answers = answers(&events, self.batch, |_| None).into_iter();
            let mut told: Vec<_> = answers.map(|answer| answer.map(|(answer, _)| answer)).collect();
            self.last = events.last().map(|event| event.position.0).or(self.last);
            told.extend(problem.map(Err));
            if !told.is_empty() {
                return told;
            }
        }
    }
}
