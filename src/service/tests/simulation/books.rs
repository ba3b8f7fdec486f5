//! What must always hold, and what has happened that excuses an exception.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::server::{Asked, MARK, Served, TokenNumber};
use super::trace::Trace;
use crate::log::{Level, LogLine, Sink};
use crate::sync::Mutex;

/// Changes by others are noticed within twice the time between two looks, and what the looks themselves take.
const NOTICED_WITHIN: Duration = Duration::from_millis(4500);

/// After a failure, the next attempt comes within this time (`retry.maxMs`).
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One life of a replica: it gets another one when it is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) replica: usize,
    pub(super) life: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {}", self.replica)?;
        if self.life > 0 { write!(f, " (life {})", self.life) } else { Ok(()) }
    }
}

/// What a process cannot help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Crash,
    /// It was frozen for so long.
    Pause(Duration),
    /// An operation of the store failed, or took longer than a second.
    Store(Duration),
    /// The store has lost what was stored.
    Loss,
}

struct Noted {
    /// None if it concerns all.
    who: Option<Who>,
    trouble: Trouble,
    at: Instant,
}

impl Noted {
    fn end(&self) -> Instant {
        match self.trouble {
            Trouble::Pause(span) | Trouble::Store(span) => self.at + span,
            Trouble::Crash | Trouble::Loss => self.at,
        }
    }
}

struct Clear {
    by: Who,
    begin: Instant,
    end: Instant,
}

#[derive(Default)]
struct State {
    violations: Vec<String>,
    open_calls: BTreeMap<u64, (Who, f64)>,
    last_call: u64,
    /// Who sent a refresh token first of those that were served, and when.
    spent: BTreeMap<TokenNumber, (Who, Instant)>,
    /// Who had requested the tokens that were issued, and when.
    requested: BTreeMap<TokenNumber, (Who, Instant)>,
    clears: Vec<Clear>,
    troubles: Vec<Noted>,
    excused_logins: u32,
}

/// The books of one run.
pub(super) struct Books {
    state: Mutex<State>,
    trace: Arc<Trace>,
    lease: Duration,
    is_server_sound: bool,
}

impl Books {
    pub(super) fn new(trace: Arc<Trace>, lease: Duration, is_server_sound: bool) -> Self {
        Self { state: Mutex::default(), trace, lease, is_server_sound }
    }

    pub(super) fn violation(&self, text: String) {
        self.trace.write(format_args!("!! {text}"));
        self.state.lock().violations.push(text);
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.state.lock().violations.clone()
    }

    /// Something happens that excuses what follows from it.
    pub(super) fn trouble(&self, who: Option<Who>, trouble: Trouble) {
        let mut state = self.state.lock();
        state.troubles.push(Noted { who, trouble, at: Instant::now() });
        if trouble == Trouble::Crash {
            state.open_calls.retain(|_, (caller, _)| Some(*caller) != who);
        }
        if !matches!(trouble, Trouble::Pause(span) if span < self.lease / 2) {
            state.excused_logins += 1;
        }
    }

    fn has_ended(&self, who: Who) -> bool {
        self.state
            .lock()
            .troubles
            .iter()
            .any(|noted| (noted.who, noted.trouble) == (Some(who), Trouble::Crash))
    }

    /// What happened may lead to one more login.
    pub(super) fn excuse_login(&self) {
        self.state.lock().excused_logins += 1;
    }

    // Calls.

    pub(super) fn begin_call(&self, who: Who) -> u64 {
        let mut state = self.state.lock();
        state.last_call += 1;
        let id = state.last_call;
        state.open_calls.insert(id, (who, self.trace.seconds()));
        id
    }

    pub(super) fn end_call(&self, id: u64) {
        self.state.lock().open_calls.remove(&id);
    }

    pub(super) fn has_open_calls(&self) -> bool {
        !self.state.lock().open_calls.is_empty()
    }

    pub(super) fn check_calls(&self) {
        let open: Vec<_> = self.state.lock().open_calls.values().copied().collect();
        for (who, began) in open {
            self.violation(format!("a call of {who} that began at {began:.3} s was not answered"));
        }
    }

    // Tokens.

    /// The server has served a request that `who` sent at that moment.
    pub(super) fn served(&self, who: Who, sent: Instant, asked: Asked, served: Served) {
        self.trace.write(format_args!("server: {asked:?} of {who}: {served:?}"));
        let mut state = self.state.lock();
        if let Served::Issued(number) = served {
            state.requested.insert(number, (who, sent));
        }
        let Asked::Refresh(number) = asked else { return };
        match served {
            Served::Issued(_) => {
                state.spent.insert(number, (who, sent));
            }
            Served::Reused => {
                let (spender, since) = state.spent[&number];
                state.excused_logins += 1;
                if !self.is_excused(&state, spender, since) {
                    drop(state);
                    self.violation(format!(
                        "{who} sent the refresh token {number}, which {spender} had sent before"
                    ));
                }
            }
            Served::Revoked => {}
        }
    }

    /// Whether others may not know what `who` did since that moment.
    fn is_excused(&self, state: &State, who: Who, since: Instant) -> bool {
        state.troubles.iter().any(|noted| match noted.trouble {
            Trouble::Loss => true,
            Trouble::Pause(span) => noted.who == Some(who) && noted.end() >= since && span >= self.lease / 2,
            Trouble::Crash | Trouble::Store(_) => noted.who == Some(who) && noted.end() >= since,
        })
    }

    /// The token was cleared.
    pub(super) fn cleared(&self, by: Who, begin: Instant) {
        self.state.lock().clears.push(Clear { by, begin, end: Instant::now() });
    }

    /// A call of `who` that began at that moment was given this token.
    pub(super) fn handed_out(&self, who: Who, began: Instant, number: TokenNumber) {
        let state = self.state.lock();
        let Some((owner, requested)) = state.requested.get(&number) else { return };
        let is_wrong = |clear: &&Clear| {
            let grace = if clear.by == who { Duration::ZERO } else { NOTICED_WITHIN };
            let is_cut_off = state.troubles.iter().any(|noted| {
                let concerns = noted.who.is_none_or(|it| it == who || it == clear.by);
                // What the store did not take is stored later, by one who knows nothing of the clearing.
                let is_unsaved = noted.who == Some(*owner) && noted.end() >= *requested;
                let from = clear.begin.checked_sub(NOTICED_WITHIN).unwrap_or(clear.begin);
                noted.trouble == Trouble::Loss || is_unsaved || (concerns && noted.end() >= from)
            });
            *requested < clear.begin && began >= clear.end + grace && !is_cut_off
        };
        let clear = state.clears.iter().find(is_wrong).map(|clear| clear.by);
        drop(state);
        if let Some(by) = clear {
            self.violation(format!("{who} handed out the token {number}, which {by} had cleared"));
        }
    }

    /// A call of `who` that began at that moment was given no token.
    pub(super) fn left_without_token(&self, who: Who, began: Instant) {
        let state = self.state.lock();
        let is_troubled =
            |noted: &Noted| noted.end() + LONGEST_PAUSE >= began && noted.who.is_none_or(|it| it == who);
        let is_excused = !self.is_server_sound || state.troubles.iter().any(is_troubled);
        drop(state);
        if !is_excused {
            self.violation(format!("{who} had no token for a call, although the server is sound"));
        }
    }

    pub(super) fn check_logins(&self, logins: u32) {
        let most = 1 + self.state.lock().excused_logins;
        if logins > most {
            self.violation(format!("there were {logins} logins, but only {most} had a reason"));
        }
    }
}

/// The log of one replica.
pub(super) struct BookSink {
    pub(super) who: Who,
    pub(super) books: Arc<Books>,
}

impl Sink for BookSink {
    fn write_line(&self, line: LogLine) {
        let Self { who, books } = self;
        // What its parts say while they are dropped, no process says.
        if books.has_ended(*who) {
            return;
        }
        if line.level < Level::Debug {
            books.trace.write(format_args!("{who}: {}", line.message));
        }
        let shows_secret = |text: &str| text.contains(MARK);
        if shows_secret(&line.message) || line.fields.values().any(|value| shows_secret(&value.to_string())) {
            books.violation(format!("a log line of {who} shows a secret"));
        }
        if line.message.contains("please report it") {
            books.violation(format!("{who}: {}", line.message));
        }
    }
}
