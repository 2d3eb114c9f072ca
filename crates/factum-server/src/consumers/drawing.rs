//! [`Drawing`]: waiting for events of a group. Whoever stops waiting just when events are handed
//! over gives them back: nobody has seen them.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{Drawn, GroupName, Groups};

/// What a draw is answered with, through the channel that its asker has.
pub(super) type Said = Result<Drawn, String>;

/// An answer that is waited for.
pub(super) struct Drawing {
    pub(super) groups: Arc<Groups>,
    pub(super) ledger: String,
    pub(super) name: GroupName,
    /// Until it was heard.
    pub(super) answer: Option<oneshot::Receiver<Said>>,
}

impl Future for Drawing {
    type Output = Result<Said, oneshot::error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else { return Poll::Pending };
        let said = ready!(Pin::new(answer).poll(cx));
        self.answer = None;
        Poll::Ready(said)
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        // From here on the keeper gives back itself what it can't hand over.
        answer.close();
        let Ok(Ok(Drawn { given, .. })) = answer.try_recv() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let groups = Arc::clone(&self.groups);
        let (ledger, name) = (std::mem::take(&mut self.ledger), self.name.clone());
        runtime.spawn(async move {
            let give_back = move |group: &mut factum_consumers::Group, _| {
                given.iter().for_each(|one| group.give_back(one.delivery.id));
            };
            // Where it fails the group begins anew, and delivers all that was in flight.
            let _ = groups.step(&ledger, &name, give_back).await;
        });
    }
}
