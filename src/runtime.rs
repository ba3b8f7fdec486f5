//! The one tokio runtime, on one thread named `evertoken`.

use std::future::Future;
use std::thread;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

#[cfg(test)]
pub(crate) mod simulated;

/// Rust's default. Set explicitly, because the standard library would otherwise read `RUST_MIN_STACK` from
/// the environment.
const STACK_BYTES: usize = 2 * 1024 * 1024;

static RUNTIME: OnceCell<Handle> = OnceCell::new();

/// The runtime's handle. The first call starts the thread, which lives as long as the process. It is never
/// joined: a process can exit at any time without waiting for a token server.
fn handle() -> Result<&'static Handle> {
    RUNTIME.get_or_try_init(|| {
        let failed = |what: &str, error: &std::io::Error| {
            Error::new(ErrorKind::Internal, format!("could not start the {what}: {}", error.kind()))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("evertoken-io")
            .thread_stack_size(STACK_BYTES)
            // Stores have a limit of their own, so that hung disks do not keep DNS lookups from these threads.
            .max_blocking_threads(if cfg!(test) { 72 } else { 12 })
            .build()
            .map_err(|error| failed("background runtime", &error))?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("evertoken".into())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| failed("evertoken thread", &error))?;
        Ok(handle)
    })
}

/// Runs `task` to completion on the evertoken thread, even if the caller does not wait for it.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>> {
    #[cfg(test)]
    if simulated::is_inside() {
        return simulated::spawn(task);
    }
    Ok(handle()?.spawn(task))
}

/// Runs work that may block (disk access, a slow key derivation) on a separate thread.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    #[cfg(test)]
    if simulated::is_inside() {
        return work();
    }
    match handle()?.spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            ErrorKind::Internal,
            "a background task of evertoken ended without a result; please report it",
        )),
    }
}
