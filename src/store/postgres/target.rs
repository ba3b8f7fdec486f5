//! Connects to the server that a URL names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel::ServerAddress;
use super::fault::SqlFault;
use crate::config::{ChannelBindingMode, PostgresHost, PostgresRoots, PostgresTlsMode, PostgresUrl};
use crate::runtime;
use crate::transport::{CertificateCheck, StoreTls, UrlTls, addresses};

/// How long it may take to connect, over all servers of the URL.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A connection that is silent for this long is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How sessions are called in `pg_stat_activity`, unless the URL says otherwise.
const APPLICATION_NAME: &str = "evertoken";

/// The part of a connection that drives it.
pub(super) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// The servers of a URL, and the certificates that they may have.
pub(super) struct PostgresTarget {
    pub(super) url: PostgresUrl,
    pub(super) tls: StoreTls,
}

/// A connection, and where it leads.
pub(super) struct ServerConnection {
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) address: ServerAddress,
}

/// Connects to the first server that can be reached and used, within [`CONNECT_TIMEOUT`].
pub(super) async fn connect(target: &Arc<PostgresTarget>) -> Result<ServerConnection, SqlFault> {
    let url = &target.url;
    let tls = tls_client(target).await?;
    let mut hosts: Vec<_> = url.hosts.iter().collect();
    if url.is_load_balanced {
        fastrand::shuffle(&mut hosts);
    }
    let share = CONNECT_TIMEOUT / u32::try_from(hosts.len()).unwrap_or(u32::MAX).max(1);
    let mut fault = SqlFault::unreachable("has no server");
    for host in hosts {
        let connecting = connect_to(url, host, tls.clone(), share);
        fault = fault.or(match tokio::time::timeout(share, connecting).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(fault)) if fault.is_refused_login() => return Err(fault),
            Ok(Err(fault)) => fault,
            Err(_) => SqlFault::unreachable(format!(
                "did not answer as PostgreSQL does within {} s: check the host and the port",
                share.as_secs()
            )),
        });
    }
    Err(fault)
}

/// Tries each address of a server.
async fn connect_to(
    url: &PostgresUrl,
    host: &PostgresHost,
    tls: MakeRustlsConnect,
    share: Duration,
) -> Result<ServerConnection, SqlFault> {
    let mut config = session(url);
    let (name, port) = match host {
        PostgresHost::Tcp(name, port) => (name, *port),
        PostgresHost::Socket(folder, port) => {
            #[cfg(unix)]
            config.host_path(folder);
            let _ = folder;
            // A socket has no TLS, and needs none.
            config.port(*port).ssl_mode(SslMode::Disable);
            #[cfg(unix)]
            let address = ServerAddress::Socket(folder.join(format!(".s.PGSQL.{port}")));
            #[cfg(not(unix))]
            let address = ServerAddress::Tcp(String::new(), (std::net::Ipv4Addr::LOCALHOST, *port).into());
            return open(url, &config, tls, address).await;
        }
    };
    // The driver would read the environment to resolve it.
    let addresses = addresses(name).await.unwrap_or_default();
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    // An address that accepts nothing is found before the time of the server ends, which one that is silent reaches.
    let to_accept = share * 3 / 4 / count;
    let mut fault = SqlFault::unreachable("cannot be reached: its host name has no address");
    for address in addresses {
        let mut config = config.clone();
        config.host(name).hostaddr(address).port(port).connect_timeout(to_accept);
        let server = ServerAddress::Tcp(name.to_owned(), (address, port).into());
        match open(url, &config, tls.clone(), server).await {
            Err(other) if !other.is_refused_login() => fault = fault.or(other),
            result => return result,
        }
    }
    Err(fault)
}

async fn open(
    url: &PostgresUrl,
    config: &Config,
    tls: MakeRustlsConnect,
    address: ServerAddress,
) -> Result<ServerConnection, SqlFault> {
    let connected = config.connect(tls).await;
    let (client, driver) = connected.map_err(|error| SqlFault::of_connecting(&error, url))?;
    Ok(ServerConnection { client, driver, address })
}

/// What does not depend on the server.
fn session(url: &PostgresUrl) -> Config {
    let mut config = Config::new();
    config
        .user(&url.user)
        .application_name(url.application_name.as_deref().unwrap_or(APPLICATION_NAME))
        .keepalives_idle(KEEPALIVE_IDLE)
        .target_session_attrs(if url.needs_writable {
            TargetSessionAttrs::ReadWrite
        } else {
            TargetSessionAttrs::Any
        })
        .ssl_mode(match url.tls.mode {
            PostgresTlsMode::Disable => SslMode::Disable,
            PostgresTlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        })
        .ssl_negotiation(if url.tls.is_direct { SslNegotiation::Direct } else { SslNegotiation::Postgres })
        .channel_binding(match url.tls.channel_binding {
            ChannelBindingMode::Disable => ChannelBinding::Disable,
            ChannelBindingMode::Prefer => ChannelBinding::Prefer,
            ChannelBindingMode::Require => ChannelBinding::Require,
        });
    if let Some(password) = &url.password {
        config.password(password.expose());
    }
    if let Some(database) = &url.database {
        config.dbname(database);
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    config
}

/// Files of certificates are read for each connection, so that renewed ones are used.
pub(super) async fn tls_client(target: &Arc<PostgresTarget>) -> Result<MakeRustlsConnect, SqlFault> {
    let is_direct = target.url.tls.is_direct;
    let target = Arc::clone(target);
    let client = runtime::blocking(move || {
        let tls = &target.url.tls;
        let roots = match &tls.roots {
            Some(PostgresRoots::File(path)) => Some(path.as_path()),
            Some(PostgresRoots::System) | None => None,
        };
        let check = match tls.mode {
            PostgresTlsMode::VerifyFull => CertificateCheck::IssuerAndName,
            PostgresTlsMode::VerifyCa => CertificateCheck::Issuer,
            _ => CertificateCheck::Nothing,
        };
        let identity =
            tls.identity.as_ref().map(|(certificate, key)| -> (&Path, &Path) { (certificate, key) });
        Ok(target.tls.client(&UrlTls { check, roots, identity }))
    });
    let mut client = client
        .await
        .map_err(|error| SqlFault::unreachable(error.message()))?
        .map_err(SqlFault::unreachable)?;
    if is_direct {
        client.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(client))
}
