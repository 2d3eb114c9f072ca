//! What a stream is and what is kept of it; limiting, deleting and ending it.

use factum_store::{
    Append, Bytes, Condition, ExpectedRevision, Invalid, Receipt, Revision, StreamInfo,
    StreamMetadata, StreamName, StreamState,
};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

/// What is to become of a stream.
pub(crate) struct ChangeStream {
    pub(crate) ledger: String,
    pub(crate) stream: StreamName,
    pub(crate) change: Change,
    /// What the stream must be now: a [`version`] of it that was seen.
    pub(crate) if_match: Option<String>,
}

/// What a stream is, as a short text: it differs whenever anything about the stream does.
pub(crate) fn version(info: &StreamInfo) -> String {
    let text = |revision: Option<Revision>| revision.map(|revision| revision.to_string());
    let (last, metadata) = (text(info.last), text(info.metadata_revision));
    format!("{}.{}", last.as_deref().unwrap_or("-"), metadata.as_deref().unwrap_or("-"))
}

/// A change of a stream. `Some(None)` takes a limit away, `None` leaves it as it is.
pub(crate) enum Change {
    Set {
        truncate_before: Option<Option<Revision>>,
        max_count: Option<Option<u64>>,
        max_age_seconds: Option<Option<u64>>,
        data: Option<Bytes>,
    },
    Delete,
    Tombstone,
}

impl Api {
    pub(crate) async fn stream(
        &self,
        principal: &Principal,
        ledger: &str,
        stream: StreamName,
    ) -> Result<StreamInfo, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { ledger.stream(stream).await }).await??)
    }

    /// Changes a stream, unless it is changed by somebody else meanwhile.
    pub(crate) async fn change_stream(
        &self,
        principal: &Principal,
        request: ChangeStream,
    ) -> Result<(Receipt, StreamInfo), ApiError> {
        let ledger = self.ledger(principal, Verb::Append, &request.ledger)?;
        let ChangeStream { stream, change, if_match, .. } = request;
        let changed = async move {
            let info = ledger.stream(stream.clone()).await?;
            let now = version(&info);
            if if_match.as_ref().is_some_and(|seen| *seen != now) {
                return Err(ApiError::Changed { now });
            }
            let mut append = change.append(&info)?;
            if if_match.is_some() && !stream.is_metadata_stream() {
                // Nothing may come in between: neither a change of what is kept nor an event.
                let expected = match info.last {
                    _ if info.state() != StreamState::Live => ExpectedRevision::None,
                    Some(last) => ExpectedRevision::Exactly(last),
                    None => ExpectedRevision::None,
                };
                append.conditions.push(Condition::Revision { stream: stream.clone(), expected });
            }
            let receipt = ledger.append(append).await?;
            Ok::<_, ApiError>((receipt, ledger.stream(stream).await?))
        };
        self.bulkheads.commands.run(changed).await?
    }
}

impl Change {
    fn append(self, info: &StreamInfo) -> Result<Append, Invalid> {
        match self {
            Self::Delete => info.delete(),
            Self::Tombstone => Ok(info.tombstone()),
            Self::Set { truncate_before, max_count, max_age_seconds, data } => {
                let StreamMetadata { mut retention, data: now } = info.metadata.clone();
                retention.truncate_before = truncate_before.unwrap_or(retention.truncate_before);
                retention.max_count = max_count.unwrap_or(retention.max_count);
                retention.max_age_seconds = max_age_seconds.unwrap_or(retention.max_age_seconds);
                // Deleted means hidden up to a revision: without one it is not deleted.
                retention.deleted &= retention.truncate_before.is_some();
                info.set(&StreamMetadata { retention, data: data.unwrap_or(now) })
            }
        }
    }
}
