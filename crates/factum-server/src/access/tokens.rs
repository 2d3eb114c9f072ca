//! [`Tokens`]: making, listing, rotating and revoking tokens. What is recorded in the access ledger
//! is the truth; what is in memory is a fold of it, so a change holds for the next request.

use std::sync::Arc;

use arc_swap::ArcSwap;
use factum::{Fault, Store};
use factum_store::{
    Append, EventType, Invalid, Ledger, NewEvent, Query, QueryItem, Read, RecordedEvent, Tag,
    Timestamp,
};
use tokio::sync::{Mutex, watch};

use super::{
    audit::Audit,
    book::{Book, Entry, Found, Token, TokenId},
    certificate::{Identity, Shown},
    rights::Right,
    secret::{Hash, Secret},
};

/// The ledger of a data directory that says who may what: tokens, and what was refused to whom.
pub const ACCESS_LEDGER: &str = "_access";

/// Whether a ledger is Factum's own: its name begins with `_`. Only who may administer every ledger
/// may read it, and nobody but Factum writes it.
#[must_use]
pub fn is_system_ledger(name: &str) -> bool {
    name.starts_with('_')
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Who will have it: 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`. No two good tokens share one.
    pub name: String,
    /// What it allows.
    pub rights: Vec<Right>,
    /// The certificate that is shown instead of a secret. No two good tokens share one.
    pub certificate: Option<Identity>,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
}

/// The tokens of a data directory.
pub struct Tokens {
    ledger: Arc<dyn Ledger>,
    audit: Arc<Audit>,
    book: ArcSwap<Book>,
    changes: watch::Sender<()>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// Rights of one token.
const RIGHTS_MAX: usize = 64;

impl Tokens {
    /// Those of a data directory that this process holds.
    ///
    /// # Errors
    /// [`Fault`] when the access ledger can't be made or read.
    pub async fn open(store: &Store) -> Result<Self, Fault> {
        match store.create(ACCESS_LEDGER) {
            Ok(()) | Err(Fault::Exists { .. }) => Self::over(store.ledger(ACCESS_LEDGER)?).await,
            Err(fault) => Err(fault),
        }
    }

    /// Those that a ledger tells of.
    pub(crate) async fn over(ledger: Arc<dyn Ledger>) -> Result<Self, Fault> {
        let mut book = Book::default();
        let types = Entry::TYPES.map(EventType::new).into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut next = Some(Read::new(Query::from(QueryItem::types(types))));
        while let Some(read) = next {
            let page = ledger.read(read).await?;
            for event in page.events {
                book.heed(entry(&event)?, event.recorded_at);
            }
            next = page.next;
        }
        let audit = Arc::new(Audit::new(Arc::clone(&ledger)));
        let (book, changes) = (ArcSwap::from_pointee(book), watch::Sender::default());
        Ok(Self { ledger, audit, book, changes, changing: Mutex::default() })
    }

    /// What else is recorded there.
    pub(crate) fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// All of them, also those that are worth nothing any more, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Token> {
        let mut tokens: Vec<_> = self.book.load().tokens().cloned().collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        tokens
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Fault::Unknown`].
    pub fn get(&self, id: TokenId) -> Result<Token, Fault> {
        let unknown = || Fault::Unknown { what: "token", name: id.to_string(), known: Vec::new() };
        self.book.load().get(id).cloned().ok_or_else(unknown)
    }

    /// Makes a token, on behalf of whom `by` names. Its secret is not kept: this is the only time
    /// that it can be seen. A token that is a certificate has none.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for a name or a certificate that is taken, for a name that is none, for rights
    /// that say nothing, and for an end that has passed.
    pub async fn create(&self, by: &str, new: NewToken) -> Result<(Token, Option<Secret>), Fault> {
        let _one = self.changing.lock().await;
        self.check(&new)?;
        let token = TokenId::random().map_err(no_randomness)?;
        let NewToken { name, rights, certificate, expires_at } = new;
        let made = match certificate {
            Some(_) => None,
            None => Some(Secret::new(token).map_err(no_randomness)?),
        };
        let (secret, hash) = made.map(|(secret, hash)| (secret, hash.to_hex())).unzip();
        let (by, expires_at_micros) = (by.to_owned(), expires_at.map(|end| end.micros));
        let entry =
            Entry::Created { token, name, rights, hash, certificate, expires_at_micros, by };
        Ok((self.record(entry).await?, secret))
    }

    /// Gives a token a new secret. The one before is good for as long as `grace` says.
    ///
    /// # Errors
    /// [`Fault::Unknown`], or [`Fault::Invalid`] when it is worth nothing any more.
    pub async fn rotate(
        &self,
        by: &str,
        id: TokenId,
        grace: std::time::Duration,
    ) -> Result<(Token, Secret), Fault> {
        let _one = self.changing.lock().await;
        let (now, token) = (now(), self.get(id)?);
        if !token.is_good(now) {
            let problem = "has expired or was revoked; create another";
            return Err(Invalid::new("token", problem).into());
        }
        if token.certificate.is_some() {
            let problem = "is a certificate; whoever signed that signs the next one";
            return Err(Invalid::new("token", problem).into());
        }
        let (secret, hash) = Secret::new(id).map_err(no_randomness)?;
        let grace = u64::try_from(grace.as_micros()).unwrap_or(u64::MAX);
        let until_micros = now.micros.saturating_add(grace);
        let (hash, by) = (hash.to_hex(), by.to_owned());
        let entry = Entry::Rotated { token: id, hash, until_micros, by };
        Ok((self.record(entry).await?, secret))
    }

    /// Makes a token worthless, at once and for ever. To do it again changes nothing.
    ///
    /// # Errors
    /// [`Fault::Unknown`].
    pub async fn revoke(&self, by: &str, id: TokenId) -> Result<Token, Fault> {
        let _one = self.changing.lock().await;
        let token = self.get(id)?;
        if token.revoked_at.is_some() {
            return Ok(token);
        }
        self.record(Entry::Revoked { token: id, by: by.to_owned() }).await
    }

    /// Whose secret this is at a moment.
    pub(crate) fn of_secret(&self, id: TokenId, hash: &Hash, now: Timestamp) -> Found {
        self.book.load().of_secret(id, hash, now)
    }

    /// Whose certificate this is at a moment.
    pub(crate) fn of_certificate(&self, shown: &Shown, now: Timestamp) -> Found {
        self.book.load().of_certificate(shown, now)
    }

    /// Tells whenever a token was made, rotated or revoked.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether none was ever made.
    pub(crate) fn is_empty(&self) -> bool {
        self.book.load().tokens().next().is_none()
    }

    fn check(&self, new: &NewToken) -> Result<(), Invalid> {
        let now = now();
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if !new.name.bytes().all(fits) || !(1..=64).contains(&new.name.len()) {
            return Err(Invalid::new("name", "must be 1 to 64 of a-z, 0-9, ., _ and -"));
        }
        let book = self.book.load();
        let mut good = book.tokens().filter(|token| token.is_good(now));
        if good.clone().any(|token| token.name == new.name) {
            let problem = "is the name of a token already; revoke that, or choose another name";
            return Err(Invalid::new("name", problem));
        }
        if new.certificate.is_some() && good.any(|token| token.certificate == new.certificate) {
            let problem =
                "is that of a token already; revoke that, or name the certificate otherwise";
            return Err(Invalid::new("certificate", problem));
        }
        if new.rights.is_empty() || new.rights.len() > RIGHTS_MAX {
            return Err(Invalid::new("rights", format!("must be 1 to {RIGHTS_MAX}")));
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(Invalid::new("expires_at", "has passed already"));
        }
        new.rights.iter().try_for_each(Right::check)
    }

    /// Records what happened to a token; then it holds.
    async fn record(&self, entry: Entry) -> Result<Token, Fault> {
        let id = entry.token();
        let data = serde_json::to_vec(&entry).map_err(|error| Fault::Bug(error.to_string()))?;
        let event = NewEvent::new(EventType::new(entry.event_type())?, data);
        let event = event.tagged([Tag::of("token", id)?]);
        let receipt = self.ledger.append(Append::new([event])).await?;
        let mut book = Book::clone(&self.book.load());
        book.heed(entry, receipt.recorded_at);
        self.book.store(Arc::new(book));
        self.changes.send_replace(());
        self.get(id)
    }
}

fn entry(event: &RecordedEvent) -> Result<Entry, Fault> {
    serde_json::from_slice(&event.data).map_err(|error| {
        let (at, kind) = (event.position, &event.event_type);
        Fault::Corrupt(format!("{ACCESS_LEDGER} at position {at}: {kind} can't be read: {error}"))
    })
}

fn no_randomness(error: getrandom::Error) -> Fault {
    Fault::Unavailable(format!("the system gives no random bytes: {error}"))
}

/// This moment, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
