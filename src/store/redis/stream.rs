//! The connection itself: TCP, TLS, or a socket on this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::fault::{ConnectStage, connecting, storage};
use crate::config::{RedisAddress, RedisUrl};
use crate::error::Result;
use crate::runtime;
use crate::transport::{StoreTls, UrlTls, addresses};

/// How long the server may take to accept a connection and to log in, and to answer.
pub(super) const SERVER_TIMEOUT: Duration = Duration::from_secs(4);

/// A connection that bytes go through.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// Makes connections to one server.
pub(super) struct Dialer {
    pub(super) url: RedisUrl,
    tls: StoreTls,
    client: OnceCell<Arc<ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(url: RedisUrl, tls: StoreTls) -> Self {
        Self { url, tls, client: OnceCell::new() }
    }

    /// What the server is called in a sentence.
    pub(super) fn server(&self) -> String {
        format!("the Redis server at {}", self.url.location())
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.url.address, RedisAddress::Tcp { is_tls: true, .. })
    }

    /// A new connection before `end`. The host name is looked up each time: after a failover, it may lead elsewhere.
    pub(super) async fn connect(self: &Arc<Self>, end: Instant) -> Result<Box<dyn ByteStream>> {
        let described = |error: io::Error| connecting(&self.server(), &error);
        match &self.url.address {
            RedisAddress::Unix(path) => unix(path).await.map_err(described),
            RedisAddress::Tcp { host, port, is_tls } => {
                let tcp = tcp(host, *port, end).await.map_err(described)?;
                if !is_tls {
                    return Ok(Box::new(tcp));
                }
                let client = self.tls_client().await?;
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| described(io::ErrorKind::InvalidInput.into()))?;
                let handshake = TlsConnector::from(client).connect(name, tcp);
                match timeout_at(end, handshake).await {
                    Ok(tls) => Ok(Box::new(tls.map_err(described)?)),
                    Err(_) => Err(ConnectStage::Tls.timeout(&self.server())),
                }
            }
        }
    }

    async fn tls_client(self: &Arc<Self>) -> Result<Arc<ClientConfig>> {
        let dialer = Arc::clone(self);
        let make = |dialer: &Self| {
            let client =
                dialer.tls.client(&UrlTls::default()).map_err(|fault| storage(&dialer.server(), &fault))?;
            Ok(Arc::new(client))
        };
        // It reads the certificates of the system.
        runtime::blocking(move || dialer.client.get_or_try_init(|| make(&dialer)).cloned()).await
    }

    /// How the server knows this client.
    pub(super) fn login(&self) -> ::redis::RedisConnectionInfo {
        let mut login = ::redis::RedisConnectionInfo::default()
            .set_db(i64::from(self.url.database))
            .set_skip_set_lib_name();
        if let Some(user) = &self.url.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.url.password {
            login = login.set_password(password.expose());
        }
        login
    }
}

/// Tries the addresses of the host one after another, each for its share of the time.
async fn tcp(host: &str, port: u16, end: Instant) -> io::Result<TcpStream> {
    let found = timeout_at(end, addresses(host)).await.map_err(|_| io::ErrorKind::TimedOut)?;
    let found = found.map_err(|_| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut left = u32::try_from(found.len()).unwrap_or(u32::MAX);
    for address in found {
        let share = end.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout(share, TcpStream::connect(SocketAddr::new(address, port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
}

#[cfg(unix)]
async fn unix(path: &str) -> io::Result<Box<dyn ByteStream>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn unix(_: &str) -> io::Result<Box<dyn ByteStream>> {
    Err(io::ErrorKind::Unsupported.into())
}
