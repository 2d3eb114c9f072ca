//! What a stream is, and what is kept of it.

use factum_store::{
    Invalid, Retention, Revision, StreamInfo, StreamMetadata, StreamName, StreamState,
};

use crate::v1;

impl From<StreamState> for v1::StreamState {
    fn from(state: StreamState) -> Self {
        match state {
            StreamState::NeverExisted => Self::NeverExisted,
            StreamState::Live => Self::Live,
            StreamState::Deleted => Self::Deleted,
            StreamState::Tombstoned => Self::Tombstoned,
        }
    }
}

impl v1::StreamState {
    /// The state, unless none was said.
    #[must_use]
    pub fn said(self) -> Option<StreamState> {
        match self {
            Self::Unspecified => None,
            Self::NeverExisted => Some(StreamState::NeverExisted),
            Self::Live => Some(StreamState::Live),
            Self::Deleted => Some(StreamState::Deleted),
            Self::Tombstoned => Some(StreamState::Tombstoned),
        }
    }
}

impl From<StreamInfo> for v1::DescribeStreamResponse {
    fn from(info: StreamInfo) -> Self {
        let state = v1::StreamState::from(info.state()).into();
        let retention = info.metadata.retention;
        Self {
            stream: info.stream.into(),
            state,
            last_revision: info.last.map(|revision| revision.0),
            truncate_before: retention.truncate_before.map(|revision| revision.0),
            max_count: retention.max_count,
            max_age_seconds: retention.max_age_seconds,
            deleted: retention.deleted,
            metadata_revision: info.metadata_revision.map(|revision| revision.0),
            metadata: info.metadata.data,
        }
    }
}

impl TryFrom<v1::DescribeStreamResponse> for StreamInfo {
    type Error = Invalid;

    fn try_from(said: v1::DescribeStreamResponse) -> Result<Self, Invalid> {
        let tombstoned = said.state() == v1::StreamState::Tombstoned;
        let retention = Retention {
            truncate_before: said.truncate_before.map(Revision),
            max_count: said.max_count,
            max_age_seconds: said.max_age_seconds,
            deleted: said.deleted,
        };
        Ok(Self {
            stream: StreamName::new(said.stream)?,
            last: said.last_revision.map(Revision),
            tombstoned,
            metadata: StreamMetadata { retention, data: said.metadata },
            metadata_revision: said.metadata_revision.map(Revision),
        })
    }
}
