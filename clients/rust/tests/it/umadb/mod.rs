//! `umadb-client`: the Rust client of UmaDB.

mod access;
mod append;
mod boundary;
mod errors;
mod metadata;
mod read;
mod subscribe;
mod tracking;

use futures_lite::StreamExt;
use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbEvent, DcbEventStoreAsync, DcbQuery, DcbQueryItem, DcbSequencedEvent};

/// An event of this type with these tags.
fn event(event_type: &str, tags: &[&str]) -> DcbEvent {
    DcbEvent::default().event_type(event_type).tags(tags.iter().copied()).data(*b"data")
}

/// One item of a query.
fn item(types: &[&str], tags: &[&str]) -> DcbQueryItem {
    DcbQueryItem::new().types(types.iter().copied()).tags(tags.iter().copied())
}

fn tagged(tags: &[&str]) -> DcbQuery {
    DcbQuery::new().item(item(&[], tags))
}

/// How to read.
#[derive(Default)]
struct Read {
    query: Option<DcbQuery>,
    start: Option<u64>,
    backwards: bool,
    limit: Option<u32>,
}

impl Read {
    /// What is found, and the head that is said.
    async fn of(self, client: &AsyncUmaDbClient) -> (Vec<DcbSequencedEvent>, Option<u64>) {
        let Self { query, start, backwards, limit } = self;
        client.read_with_head(query, start, backwards, limit).await.expect("is read")
    }

    async fn positions(self, client: &AsyncUmaDbClient) -> Vec<u64> {
        self.of(client).await.0.iter().map(|found| found.position).collect()
    }
}

/// Appends `count` events, each alone.
async fn fill(client: &AsyncUmaDbClient, count: u64) {
    for number in 1..=count {
        let tags = [format!("number:{number}"), format!("odd:{}", number % 2)];
        let events = vec![DcbEvent::default().event_type("counted").tags(tags)];
        assert_eq!(client.append(events, None, None).await.expect("is appended"), number);
    }
}

/// The next events of a stream.
async fn take<E: std::fmt::Debug>(
    stream: &mut (impl StreamExt<Item = Result<DcbSequencedEvent, E>> + Unpin + ?Sized),
    count: usize,
) -> Vec<DcbSequencedEvent> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(stream.next().await.expect("goes on").expect("is an event"));
    }
    taken
}
