//! Connections: accepting them, their timers and their end. A client that sends half a request or
//! takes nothing of its answer loses its connection, and nobody else waits for it (G11, G12).

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};

use crate::{
    Config,
    access::{Peer, Shown},
    faces::{Faces, Facing},
    idle::Streams,
    metrics::Metrics,
    peers::Peers,
    tls::Tls,
};

/// Both protocols, as they are spoken here.
type Http = auto::Builder<Streams>;

/// One of them, on a stream.
type Connection<'a, S> =
    Pin<Box<auto::Connection<'a, TokioIo<S>, TowerToHyperService<Facing>, Streams>>>;

/// How long to wait after the system refused a connection, for instance for want of descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Streams that a client may have reset before the server has looked at them.
const RESETS_MAX: usize = 32;
/// Bytes of a stream's answer that are kept until the client takes them, over HTTP/2.
const SEND_BYTES_MAX: usize = 256 << 10;

/// Serves connections until `shutdown` resolves, then lets the open ones end within the grace.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    faces: Faces,
    config: &Config,
    metrics: &Arc<Metrics>,
    stopping: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let connections_max = config.connections_max.clamp(1, Semaphore::MAX_PERMITS);
    metrics.set_connections_max(connections_max);
    let room = Arc::new(Semaphore::new(connections_max));
    let peers = Peers::new(config.peer_connections_max);
    let mut open = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut following = pin!(follow(tls.as_deref()));
    loop {
        let (stream, address, place) = tokio::select! {
            () = &mut shutdown => break,
            () = &mut following => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some(among_peers) = peers.enter(address.ip()) else {
            metrics.turned_away.inc();
            continue;
        };
        let faces = faces.clone();
        let one = one(stream, tls.as_deref(), address, faces, config, stopping.subscribe());
        // A future that is handed on is there twice, and a thousand connections have a thousand.
        let one = Box::pin(one);
        let counted = Counted::new(metrics);
        open.spawn(async move {
            one.await;
            drop((place, among_peers, counted));
        });
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    stopping.send_replace(true);
    let all = async { while open.join_next().await.is_some() {} };
    if timeout(config.grace, all).await.is_err() {
        tracing::warn!(connections = open.len(), "closed connections that did not end in time");
    }
    open.shutdown().await;
}

/// An open connection, counted as long as it is open.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.accepted.inc();
        metrics.open.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}

/// The next connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed: without a permit would mean without a bound.
    let place = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, place),
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

/// Waits until the server is asked to stop, or is gone.
pub(crate) async fn stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Serves one connection to its end, after the handshake of TLS if there is to be one.
fn one(
    stream: TcpStream,
    tls: Option<&Tls>,
    address: SocketAddr,
    faces: Faces,
    config: &Config,
    stopping: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    // Answers are small and complete: waiting for more to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let (head_timeout, write_timeout) = (config.head_timeout, config.write_timeout);
    let (streams, idle_timeout) = (Streams::new(), config.idle_timeout);
    let (http, acceptor) = (protocols(config, streams.clone()), tls.map(Tls::acceptor));
    async move {
        let facing = |peer| faces.facing(peer, streams.clone());
        let end = async {
            let mut stopping = stopping;
            tokio::select! {
                () = stop(&mut stopping) => {}
                () = streams.idle(idle_timeout) => {}
            }
        };
        let Some(acceptor) = acceptor else {
            let peer = Peer { address, shown: None };
            let stream = Impatient::new(stream, head_timeout, write_timeout);
            return speak(connection(&http, stream, facing(peer)), end).await;
        };
        match timeout(head_timeout, Box::pin(acceptor.accept(stream))).await {
            Ok(Ok(stream)) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let shown = certificates.and_then(|all| Shown::of(all.first()?)).map(Arc::new);
                let peer = Peer { address, shown };
                let stream = Impatient::new(stream, head_timeout, write_timeout);
                speak(connection(&http, stream, facing(peer)), end).await;
            }
            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}

/// What a stream's requests are answered by, in a place of its own: it is large, and which protocol it
/// is for is not known before.
fn connection<S>(http: &Http, stream: S, faces: Facing) -> Connection<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Box::pin(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(faces)))
}

/// Answers on a connection until it ends; from `end` on it takes no more requests.
async fn speak<S>(mut connection: Connection<'_, S>, end: impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// Has the certificates follow their files, for ever.
async fn follow(tls: Option<&Tls>) {
    match tls {
        Some(tls) => tls.follow().await,
        None => std::future::pending().await,
    }
}

/// HTTP/1.1 and HTTP/2, told apart by how a connection begins.
fn protocols(config: &Config, streams: Streams) -> Http {
    let head_bytes = config.head_bytes_max.max(8 << 10);
    let mut http = auto::Builder::new(streams);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_buf_size(head_bytes);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(config.streams_max)
        // Streams that a client opens and resets at once cost it nothing and the server work: after
        // so many of them, and of its own mistakes, the connection ends (CVE-2023-44487).
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(config.heartbeat)
        .keep_alive_timeout(config.head_timeout);
    http
}

/// Bytes from which on it is known which protocol a connection speaks, and that protocol's own timers
/// run: as many as HTTP/2 begins with.
const BEGINNING: usize = 24;

/// A stream that fails when the other side is too slow to begin, or takes nothing for too long.
struct Impatient<S> {
    stream: S,
    /// Runs until the connection has begun.
    beginning: Option<Pin<Box<Sleep>>>,
    /// Bytes read while it begins.
    begun: usize,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S, beginning: Duration, patience: Duration) -> Self {
        let beginning = Some(Box::pin(sleep(beginning)));
        Self { stream, beginning, begun: 0, patience, waiting: None }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let deadline = Instant::now() + self.patience;
        let waiting =
            self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(beginning) = &mut this.beginning {
            this.begun += buf.filled().len() - before;
            if this.begun >= BEGINNING {
                this.beginning = None;
            } else if read.is_pending() && beginning.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_ends_the_write() {
        let (near, far) = tokio::io::duplex(8);
        let mut near = Impatient::new(near, Duration::from_secs(5), Duration::from_secs(60));
        near.write_all(b"12345678").await.expect("there is room");
        let begun = Instant::now();
        let error = near.write_all(b"9").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_begin_is_not_waited_for_and_who_has_begun_is() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Impatient::new(near, Duration::from_secs(5), Duration::from_secs(60));
        far.write_all(b"PRI * HTTP/2").await.expect("there is room");
        let (begun, mut read) = (Instant::now(), Vec::new());
        let error = near.read_to_end(&mut read).await.expect_err("the rest does not come");
        assert_eq!(
            (error.kind(), begun.elapsed()),
            (io::ErrorKind::TimedOut, Duration::from_secs(5))
        );
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Impatient::new(near, Duration::from_secs(5), Duration::from_secs(60));
        far.write_all(&[b'x'; BEGINNING]).await.expect("there is room");
        let waiting = timeout(Duration::from_secs(600), near.read_to_end(&mut Vec::new())).await;
        assert!(waiting.is_err(), "the protocol's own timers run from here on");
    }
}
