//! [`Keyring`]: the issuer's keys as they are known now. They are looked for every so often, and when
//! a token names a key that is not known: but never more often than the settings say, whoever sends
//! what (G12). Keys stay when the issuer can't be asked.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{
    fetch::fetch,
    keys::Keys,
    settings::{JwtSettings, Place},
};
use crate::connection::stop;

/// How often a file is read.
const FILE_EVERY: Duration = Duration::from_secs(5);
/// Requests that wait for keys at a time; others are strangers at once.
const WAITING_MAX: usize = 256;
/// How long a request waits for keys.
const PATIENCE: Duration = Duration::from_secs(12);

/// The keys of an issuer, as they are now.
pub(super) struct Keyring {
    settings: JwtSettings,
    place: Place,
    keys: ArcSwap<Keys>,
    look: watch::Sender<Look>,
    wanted: Notify,
    waiting: Arc<Semaphore>,
}

/// How it stands with looking for the keys.
#[derive(Clone, Copy, Default)]
struct Look {
    goes_on: bool,
    ended: Option<Instant>,
}

impl Keyring {
    /// Keys in a file have to be there at the start; an issuer may be asked later.
    pub(super) fn open(settings: JwtSettings) -> Result<Self, String> {
        let place = settings.check()?;
        let keys = match &place {
            Place::File(_) => fetch(&settings, &place)?,
            Place::Url(_) | Place::Discovery(_) => Keys::default(),
        };
        Ok(Self {
            settings,
            place,
            keys: ArcSwap::from_pointee(keys),
            look: watch::Sender::default(),
            wanted: Notify::new(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        })
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// Until newer keys are there; `None` when it was looked for them a moment ago, or when too many
    /// wait already.
    pub(super) fn newer(&self) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let mut look = self.look.subscribe();
        let last = *look.borrow_and_update();
        if !last.goes_on {
            if last.ended.is_some_and(|ended| ended.elapsed() < self.settings.refresh_pause) {
                return None;
            }
            self.wanted.notify_one();
        }
        let place = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        Some(async move {
            let ended = look.wait_for(|look| !look.goes_on && look.ended != last.ended);
            let _ = timeout(PATIENCE, ended).await;
            drop(place);
        })
    }

    /// Looks for the keys until the server stops.
    pub(super) async fn follow(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let JwtSettings { refresh, refresh_pause: pause, .. } = self.settings;
        loop {
            let next = match Arc::clone(&self).look().await {
                true if matches!(self.place, Place::File(_)) => FILE_EVERY,
                true => refresh.max(pause),
                false => pause,
            };
            let wanted = async {
                sleep(pause).await;
                self.wanted.notified().await;
            };
            tokio::select! {
                () = sleep(next) => {}
                () = wanted => {}
                () = stop(&mut stopping) => return,
            }
        }
    }

    /// Looks for them once.
    async fn look(self: Arc<Self>) -> bool {
        self.look.send_modify(|look| look.goes_on = true);
        let this = Arc::clone(&self);
        let found = spawn_blocking(move || fetch(&this.settings, &this.place)).await;
        let found = found.unwrap_or_else(|error| Err(error.to_string()));
        let fine = found.is_ok();
        match found {
            Ok(keys) if keys.len() == 0 => {
                tracing::warn!("the issuer {} has no keys now", self.settings.issuer);
                self.keys.store(Arc::new(keys));
            }
            Ok(keys) => self.keys.store(Arc::new(keys)),
            Err(problem) => tracing::warn!("the old keys of JWTs stay: {problem}"),
        }
        let ended = Some(Instant::now());
        self.look.send_replace(Look { goes_on: false, ended });
        fine
    }
}
