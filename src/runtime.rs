//! The one tokio runtime, on one thread named `evertoken`.

use std::future::Future;
use std::thread;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// As much as Rust gives a thread. Said, or the standard library would read `RUST_MIN_STACK` from the environment.
const STACK_BYTES: usize = 2 * 1024 * 1024;

static RUNTIME: OnceCell<Handle> = OnceCell::new();

/// The runtime's handle; the thread is started at the first call and lives as long as the process. It is
/// never joined: a process may exit at any moment without waiting for a token server.
fn handle() -> Result<&'static Handle> {
    RUNTIME.get_or_try_init(|| {
        let failed = |what: &str, error: &std::io::Error| {
            Error::new(ErrorKind::Internal, format!("cannot start the {what}: {}", error.kind()))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("evertoken-io")
            .thread_stack_size(STACK_BYTES)
            // Names are looked up there, too: hung disks of many services must not keep those waiting.
            .max_blocking_threads(64)
            .build()
            .map_err(|error| failed("runtime", &error))?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("evertoken".into())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| failed("evertoken thread", &error))?;
        Ok(handle)
    })
}

/// Runs `task` to its end on the evertoken thread, whoever started it and whether or not they wait.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>> {
    Ok(handle()?.spawn(task))
}

/// Runs work that may block (a disk, a slow derivation) on a thread beside the runtime's.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match handle()?.spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Internal, "a blocking task ended without a result")),
    }
}
