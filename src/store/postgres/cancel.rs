//! Asks a server to end a statement.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Where a connection leads.
#[derive(Clone)]
pub(super) enum ServerAddress {
    /// With the name that the certificate has.
    Tcp(String, SocketAddr),
    #[cfg(unix)]
    Socket(PathBuf),
}

/// Has the server end the statement of a connection, and waits until it has read that. `None` if it was not reached.
pub(super) async fn cancel(
    token: &CancelToken,
    server: &ServerAddress,
    tls: MakeRustlsConnect,
) -> Option<()> {
    match server {
        ServerAddress::Tcp(name, address) => {
            send(token, tokio::net::TcpStream::connect(address).await.ok()?, name, tls).await
        }
        #[cfg(unix)]
        ServerAddress::Socket(path) => {
            send(token, tokio::net::UnixStream::connect(path).await.ok()?, "", tls).await
        }
    }
}

async fn send<S>(token: &CancelToken, stream: S, name: &str, mut tls: MakeRustlsConnect) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A socket has no name, and no TLS.
    let name = if name.is_empty() { "localhost" } else { name };
    let tls = MakeTlsConnect::<Lingering<S>>::make_tls_connect(&mut tls, name).ok()?;
    token.cancel_query_raw(Lingering(stream), LingeringTls(tls)).await.ok()
}

/// A stream that the other side closes first. A pooler forgets a request whose connection is closed before it has
/// passed the request on.
struct Lingering<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; 64];
            let mut into = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.0).poll_read(context, &mut into));
            if read.is_err() || into.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: TlsStream + Unpin> TlsStream for Lingering<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

struct LingeringTls<T>(T);

impl<S, T: TlsConnect<S>> TlsConnect<S> for LingeringTls<T> {
    type Stream = Lingering<T::Stream>;
    type Error = T::Error;
    type Future = MapOk<T::Future, fn(T::Stream) -> Lingering<T::Stream>>;

    fn connect(self, stream: S) -> Self::Future {
        self.0.connect(stream).map_ok(Lingering)
    }
}
