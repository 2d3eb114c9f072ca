//! [`Client`]: a connection to a server. Cheap to clone; it is made when it is first needed, and
//! again when it was lost.

use std::{sync::Arc, time::Duration};

use factum_proto::{
    DEFAULT_LEDGER,
    v1::{
        commands_client::CommandsClient, ledgers_client::LedgersClient, views_client::ViewsClient,
    },
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use crate::{Connect, RemoteLedger, Token, runtime::Runtime};

/// Bytes of one message that is taken: a batch of events, of which the last may be as large as an
/// event gets.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What a call goes over.
pub type Connection = InterceptedService<Channel, Token>;

/// A connection to a server.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) connection: Connection,
    pub(crate) runtime: Runtime,
    pub(crate) retry_for: Duration,
}

impl Client {
    /// A connection to the server at `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn to(url: impl Into<String>) -> Connect {
        Connect::to(url.into())
    }

    /// The ledger of this name; whether it is there shows when it is used. An empty name means
    /// `default`.
    #[must_use]
    pub fn ledger(&self, name: impl Into<String>) -> RemoteLedger {
        let name = match name.into() {
            name if name.is_empty() => DEFAULT_LEDGER.to_owned(),
            name => name,
        };
        RemoteLedger::new(self.clone(), name)
    }

    /// The service `Ledgers` as it is on the wire.
    #[must_use]
    pub fn ledgers(&self) -> LedgersClient<Connection> {
        LedgersClient::new(self.inner.connection.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The service `Commands` as it is on the wire.
    #[must_use]
    pub fn commands(&self) -> CommandsClient<Connection> {
        CommandsClient::new(self.inner.connection.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The service `Views` as it is on the wire.
    #[must_use]
    pub fn views(&self) -> ViewsClient<Connection> {
        ViewsClient::new(self.inner.connection.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}
