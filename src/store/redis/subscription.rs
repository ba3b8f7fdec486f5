//! Notices of what other processes change, on a connection of their own.

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use ::redis::Msg;
use ::redis::aio::PubSub;

use super::super::watch::Watch;
use super::stream::{Dialer, SERVER_TIMEOUT};
use crate::domain::{Backoff, Jitter};

/// Between attempts to subscribe.
const SUBSCRIBE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// A connection that is silent for so long is checked. A firewall may have dropped it.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// What distinguishes the notices of this process.
static PROCESS: LazyLock<String> = LazyLock::new(|| format!("{:016x}", fastrand::u64(..)));

/// What is published about a change of this record.
pub(super) fn notice_about(name: &str) -> String {
    format!("{} {name}", *PROCESS)
}

/// Subscribes to a channel as long as `watch` exists. A notice that this process itself has published is ignored.
///
/// What changes while there is no subscription is found by the looks at the place.
pub(super) async fn subscribe(dialer: Arc<Dialer>, channel: String, watch: Weak<Watch>) {
    let mut failures = 0;
    while watch.strong_count() > 0 {
        let opened = timeout(SERVER_TIMEOUT, open(&dialer, &channel)).await;
        if let Ok(Some(subscription)) = opened {
            failures = 0;
            listen(subscription, &watch).await;
        }
        tokio::time::sleep(Jitter::random().half(SUBSCRIBE_BACKOFF.wait(failures))).await;
        failures = failures.saturating_add(1);
    }
}

async fn open(dialer: &Arc<Dialer>, channel: &str) -> Option<PubSub> {
    let stream = dialer.connect(Instant::now() + SERVER_TIMEOUT).await.ok()?;
    let mut subscription = PubSub::new(&dialer.login(), stream).await.ok()?;
    subscription.subscribe(channel).await.ok()?;
    Some(subscription)
}

/// Passes on notices until the connection or the watch ends.
async fn listen(subscription: PubSub, watch: &Weak<Watch>) {
    let (mut sink, mut messages) = subscription.split();
    loop {
        match timeout(PING_INTERVAL, messages.next()).await {
            Ok(Some(message)) => {
                let Some(watch) = watch.upgrade() else { return };
                if let Some(name) = changed_by_others(&message) {
                    watch.notice(name);
                }
            }
            Ok(None) => return,
            Err(_) => {
                let ping = timeout(SERVER_TIMEOUT, sink.ping::<::redis::Value>());
                // A server that refuses it has answered.
                let is_alive = ping.await.is_ok_and(|pong| !pong.is_err_and(|error| error.is_io_error()));
                if !is_alive || watch.strong_count() == 0 {
                    return;
                }
            }
        }
    }
}

/// The name of a record that another process has changed.
fn changed_by_others(message: &Msg) -> Option<&str> {
    let (process, name) = std::str::from_utf8(message.get_payload_bytes()).ok()?.split_once(' ')?;
    (process != *PROCESS).then_some(name)
}
