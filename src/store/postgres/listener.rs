//! Hears what other processes change, on a connection of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client};

use super::super::watch::Watch;
use super::connection::{Effect, Listening, SqlClient};
use super::fault::SqlFault;
use super::sql::CHANNEL;
use super::target::{self, Driver, PostgresTarget, ServerConnection};
use crate::domain::{Backoff, Jitter};
use crate::runtime;

/// Between connections, while they fail.
const LISTENER_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How long a notice to oneself may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often to look whether a service still uses the place.
const LISTENER_CHECK: Duration = Duration::from_secs(5);

/// Asks a session for its number.
const SESSION: &str = "SELECT pg_backend_pid()::text";

/// How often it is asked: a pooler gives the same session several times in a row by chance.
const SESSION_CHECKS: usize = 6;

/// Why a connection no longer listens.
enum ListeningEnd {
    /// It leads to a pooler, through which no notice comes.
    Pooler,
    /// No service uses the place.
    Unused,
    /// It had worked, and was lost.
    Lost,
}

/// Listens until no service uses the place, or finds that notices do not come through.
pub(super) async fn run(target: Arc<PostgresTarget>, client: Weak<dyn SqlClient>, listening: Listening) {
    let mut failures = 0;
    loop {
        match listen(&target, &client, &listening).await {
            Ok(ListeningEnd::Pooler | ListeningEnd::Unused) => return,
            Ok(ListeningEnd::Lost) => failures = 0,
            Err(_) => failures += 1,
        }
        tokio::time::sleep(Jitter::random().half(LISTENER_BACKOFF.wait(failures))).await;
    }
}

async fn listen(
    target: &Arc<PostgresTarget>,
    others: &Weak<dyn SqlClient>,
    listening: &Listening,
) -> Result<ListeningEnd, SqlFault> {
    let Some(others) = others.upgrade() else { return Ok(ListeningEnd::Unused) };
    let ServerConnection { client, driver, .. } = target::connect(target).await?;
    let (sender, mut notices) = mpsc::unbounded_channel();
    let driver = runtime::spawn(drive(driver, sender)).map_err(|error| SqlFault::lost(error.message()))?;
    let _abort = AbortOnDrop(driver);
    if has_pooler(&others, &client).await? {
        return Ok(ListeningEnd::Pooler);
    }
    let failed = |error: tokio_postgres::Error| SqlFault::of_statement(&error);
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await.map_err(failed)?;
    if !probe(&others, &mut notices).await? {
        return Ok(ListeningEnd::Pooler);
    }
    // What was changed before it listened.
    let place = Arc::clone(&others).query(&listening.table_id, &[], Effect::Reads).await?;
    let mut place = place.into_iter().flatten().flatten().next();
    drop(others);
    loop {
        let notice = match timeout(LISTENER_CHECK, notices.recv()).await {
            Ok(Some(notice)) => Some(notice),
            Ok(None) => return Ok(ListeningEnd::Lost),
            Err(_) => None,
        };
        let Some(watch) = listening.watch.upgrade() else { return Ok(ListeningEnd::Unused) };
        if let Some(notice) = notice {
            pass_on(&notice, &mut place, &listening.sender, &watch);
        }
    }
}

/// A notice is `<number of the table> <sender> <service>`.
fn pass_on(notice: &str, place: &mut Option<String>, sender: &str, watch: &Watch) {
    let mut parts = notice.splitn(3, ' ');
    let (Some(table), Some(from), Some(service)) = (parts.next(), parts.next(), parts.next()) else { return };
    // The table may have been created since.
    let is_of_table = place.as_deref().is_none_or(|place| place == table);
    if is_of_table && from != sender {
        watch.notice(service);
    }
}

/// Whether the two connections share sessions. One that listened would leave its session to others, with notices that
/// they do not expect.
async fn has_pooler(others: &Arc<dyn SqlClient>, client: &Client) -> Result<bool, SqlFault> {
    let mut own = Vec::new();
    for _ in 0..SESSION_CHECKS {
        let rows = client.query_typed(SESSION, &[]).await.map_err(|error| SqlFault::of_statement(&error))?;
        own.extend(rows.first().and_then(|row| row.try_get::<_, Option<String>>(0).ok()).flatten());
        let other = Arc::clone(others).query(SESSION, &[], Effect::Reads).await?;
        if other.into_iter().flatten().flatten().any(|other| own.contains(&other)) {
            return Ok(true);
        }
    }
    Ok(own.len() < SESSION_CHECKS || own.iter().any(|session| *session != own[0]))
}

/// Whether a notice that is sent on another connection arrives.
async fn probe(
    others: &Arc<dyn SqlClient>,
    notices: &mut mpsc::UnboundedReceiver<String>,
) -> Result<bool, SqlFault> {
    let text = format!("probe {:x}", fastrand::u64(..));
    let statement = format!("SELECT pg_notify('{CHANNEL}', $1::text)::text AS a");
    Arc::clone(others).query(&statement, &[Some(&text)], Effect::Reads).await?;
    let arrived = timeout(PROBE_TIMEOUT, async {
        while let Some(notice) = notices.recv().await {
            if notice == text {
                return true;
            }
        }
        false
    });
    Ok(arrived.await.unwrap_or(false))
}

/// Drives the connection, and passes on the texts of its notices.
async fn drive(mut driver: Driver, notices: mpsc::UnboundedSender<String>) {
    while let Some(Ok(message)) = std::future::poll_fn(|context| driver.poll_message(context)).await {
        if let AsyncMessage::Notification(notice) = message
            && notices.send(notice.payload().to_owned()).is_err()
        {
            return;
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
