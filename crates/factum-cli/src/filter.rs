//! Which events: the options that `read` and `subscribe` share, as a [`Query`].

use clap::Args;
use factum::store::{Category, EventType, Query, QueryItem, StreamName, Tag};

/// Which events. Without any of these: all of the application's.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Only events of this type; repeat it for more than one.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventType>,
    /// Only events with this tag; repeat it for events that carry all of them.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Only events in this stream.
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamName>,
    /// Only events in streams of this category (the name before the first `-`).
    #[arg(long, value_name = "CATEGORY")]
    category: Option<Category>,
    /// Factum's own events too, such as `$command`.
    #[arg(long)]
    system: bool,
}

impl Filter {
    pub(crate) fn query(self) -> Query {
        let Self { types, tags, stream, category, system } = self;
        Query::from(QueryItem { types, tags, stream, category, system })
    }
}
