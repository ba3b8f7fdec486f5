//! Servers for tests.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::redis::AsyncConnectionConfig;
use ::redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::super::stream::Dialer;
use super::super::{RedisRows, RedisUrl, StoreTls};
use crate::config::RedisPrefix;
use crate::runtime;

/// Names a server that tests may write to.
#[expect(clippy::disallowed_methods, reason = "no Node changes the environment of a test")]
pub(super) fn test_url() -> Option<String> {
    std::env::var("EVERTOKEN_TEST_REDIS").ok()
}

/// Says why a test did nothing.
pub(in crate::store) fn skip() {
    let _ = writeln!(
        std::io::stderr(),
        "skipped: EVERTOKEN_TEST_REDIS names no Redis server, or there is no redis-server to start"
    );
}

fn rows_of(url: &str, prefix: &str) -> Arc<RedisRows> {
    let url = RedisUrl::parse(url).unwrap();
    RedisRows::of_server(&url, &RedisPrefix::parse(prefix).unwrap(), &StoreTls::default())
}

/// Rows under a prefix of their own.
pub(in crate::store) fn redis_rows() -> Option<Arc<RedisRows>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!("test:{}:{number}:{:x}:", std::process::id(), fastrand::u32(..));
    test_url().map(|url| rows_of(&url, &prefix))
}

/// A connection of the test's own.
pub(super) async fn admin(url: &str) -> MultiplexedConnection {
    let dialer = Arc::new(Dialer::new(RedisUrl::parse(url).unwrap(), StoreTls::default()));
    let opening = runtime::spawn(async move {
        let stream = dialer.connect(tokio::time::Instant::now() + Duration::from_secs(4)).await.unwrap();
        let config = AsyncConnectionConfig::default();
        let opened = MultiplexedConnection::new_with_config(&dialer.login(), stream, config).await;
        let (connection, driver) = opened.unwrap();
        runtime::spawn(driver).unwrap();
        connection
    });
    opening.unwrap().await.unwrap()
}

pub(super) async fn command(admin: &mut MultiplexedConnection, words: &[&str]) -> ::redis::Value {
    let mut command = ::redis::cmd(words[0]);
    command.arg(&words[1..]);
    admin.send_packed_command(&command).await.unwrap()
}

/// A server that a test starts for itself, on a socket.
pub(super) struct OwnServer {
    process: Child,
    directory: TempDir,
}

impl OwnServer {
    /// `None` if there is no server to start, or if tests are not to use any.
    pub(super) fn start(options: &[&str]) -> Option<Self> {
        test_url()?;
        let directory = tempfile::tempdir().unwrap();
        let process = spawn(&directory, options)?;
        let server = Self { process, directory };
        server.wait();
        Some(server)
    }

    /// Stops it, and starts it again with other options.
    pub(super) fn restart(&mut self, options: &[&str]) {
        self.stop();
        self.process = spawn(&self.directory, options).unwrap();
        self.wait();
    }

    pub(super) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(self.directory.path().join("socket"));
    }

    fn wait(&self) {
        let socket = self.directory.path().join("socket");
        for _ in 0..500 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not start");
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix:{}/socket", self.directory.path().to_str().unwrap())
    }

    pub(super) fn url_for(&self, user: &str, password: &str) -> String {
        format!("{}?user={user}&pass={password}", self.url())
    }

    pub(super) fn rows(&self, prefix: &str) -> Arc<RedisRows> {
        rows_of(&self.url(), prefix)
    }

    pub(super) fn rows_for(&self, user: &str, password: &str) -> Arc<RedisRows> {
        rows_of(&self.url_for(user, password), "evertoken:")
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(directory: &TempDir, options: &[&str]) -> Option<Child> {
    let path = directory.path().to_str().unwrap();
    let socket = format!("{path}/socket");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket", &socket, "--dir", path, "--save", "", "--daemonize", "no"]);
    command.args(options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}
