//! A wire that can be cut: a proxy between a client and a server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

/// Forwards connections, until they are cut; then it forwards new ones.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Whether answers are swallowed.
    deaf: Arc<AtomicBool>,
    cuts: watch::Sender<u32>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (deaf, cuts) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let (swallow, cut) = (Arc::clone(&deaf), cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let mut cut = cut.clone();
                cut.mark_unchanged();
                let ((from, to), (back_from, back_to)) = (client.into_split(), server.into_split());
                let swallow = Arc::clone(&swallow);
                tokio::spawn(async move {
                    tokio::select! {
                        _ = cut.changed() => {}
                        () = copy(from, back_to, Arc::default()) => {}
                        () = copy(back_from, to, swallow) => {}
                    }
                });
            }
        });
        Self { address, deaf, cuts }
    }

    /// From now on answers do not arrive, though requests do.
    pub(crate) fn swallow_answers(&self, swallow: bool) {
        self.deaf.store(swallow, Ordering::SeqCst);
    }

    /// Ends every connection that there is.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallow: Arc<AtomicBool>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        if !swallow.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
