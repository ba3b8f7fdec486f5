//! DNS lookups with the system's resolver.
//!
//! glibc's resolver reads the environment on the calling thread. As much as possible is therefore read in
//! advance, on the thread that sets variables; see docs/decisions/0008.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Once;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::proxy::is_loopback;

/// The addresses of `localhost`, which needs no lookup (RFC 6761 §6.3). Most local servers listen on the
/// first.
const LOOPBACK: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];

/// Reads the resolver's settings once per process. Must be called on the thread that may change the
/// environment.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(glibc::read_settings);
}

/// The system's resolver, except for `localhost`.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move { Ok(Box::new(lookup(name).await?.into_iter()) as Addrs) })
    }
}

/// The addresses of a host, which may be an address itself.
///
/// # Errors
/// Those of the resolver.
pub async fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    Ok(lookup(host.to_owned()).await?.iter().map(SocketAddr::ip).collect())
}

async fn lookup(name: String) -> io::Result<Vec<SocketAddr>> {
    if name.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
        return Ok(LOOPBACK.to_vec());
    }
    let host = name.clone();
    let lookup = tokio::task::spawn_blocking(move || {
        let _settings = glibc::WithoutAliases::new();
        (host.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>)
    });
    match lookup.await? {
        Ok(addresses) => Ok(addresses),
        Err(_) if is_loopback(&Host::Domain(name)) => Ok(LOOPBACK.to_vec()),
        Err(error) => Err(error),
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    #![expect(unsafe_code, reason = "the resolver's settings are a thread-local C struct")]

    use std::ffi::{c_int, c_ulong};

    /// The settings have been read.
    const RES_INIT: c_ulong = 0x1;
    /// Do not read the variable `HOSTALIASES`, which glibc does for every name without a dot.
    const RES_NOALIASES: c_ulong = 0x1000;

    /// The first fields of `struct __res_state` in `resolv.h`.
    #[repr(C)]
    struct ResolverState {
        retransmission: c_int,
        retries: c_int,
        options: c_ulong,
    }

    unsafe extern "C" {
        fn __res_state() -> *mut ResolverState;
    }

    /// Reads `resolv.conf` and `LOCALDOMAIN`, `RES_OPTIONS` and `RESOLV_*` for the whole process.
    pub(super) fn read_settings() {
        // SAFETY: it has no preconditions, and changes only this thread's state and the shared settings,
        // which it locks.
        unsafe { libc::res_init() };
    }

    /// While this value exists, lookups on this thread do not read the environment. Dropping it restores the
    /// settings; otherwise the resolver would not notice a new `resolv.conf`.
    pub(super) struct WithoutAliases {
        before: c_ulong,
    }

    impl WithoutAliases {
        pub(super) fn new() -> Self {
            // SAFETY: the state belongs to this thread and is valid as long as the thread.
            let state = unsafe { &mut *__res_state() };
            if state.options & RES_INIT == 0 {
                read_settings();
            }
            let before = state.options;
            state.options |= RES_NOALIASES;
            Self { before }
        }
    }

    impl Drop for WithoutAliases {
        fn drop(&mut self) {
            // SAFETY: the state belongs to this thread, and the value is never sent to another one.
            unsafe { (*__res_state()).options = self.before };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    /// Other resolvers do not read the environment, or read it under a lock.
    pub(super) fn read_settings() {}

    pub(super) struct WithoutAliases;

    impl WithoutAliases {
        pub(super) fn new() -> Self {
            Self
        }
    }
}
