//! What a service reports: never a token, never a secret.

use serde::{Serialize, Serializer};

use crate::config::{Config, SchedulerOptions};
use crate::domain::{Timestamp, TokenPhase};
use crate::grants::GrantRequest;
use crate::oauth::LOGIN_FUNCTION;
use crate::redaction::display_url;
use crate::service::state::{Counters, HistoryEntry, LastError, Source, TokenState};
use crate::store::StoreClient;

/// `TokenStatus` of the public interface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is documented where users read it, in index.d.ts")]
pub struct Status {
    pub service: String,
    #[serde(serialize_with = "phase")]
    pub state: TokenPhase,
    pub healthy: bool,
    pub source: Option<&'static str>,
    pub token_type: Option<String>,
    pub issued_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub refresh_at: Option<Timestamp>,
    pub expires_in_seconds: Option<u64>,
    pub last_refresh_at: Option<Timestamp>,
    pub consecutive_failures: u32,
    pub last_error: Option<LastError>,
    pub strategy: Option<StrategyStatus>,
    pub scheduler: SchedulerStatus,
    pub storage: StorageStatus,
    pub counters: Counters,
    pub history: Vec<HistoryEntry>,
}

impl Status {
    pub(super) fn new(config: &Config, state: &TokenState, store: &StoreClient, now: Timestamp) -> Self {
        let held = state.held();
        let has_refreshes = config.has_credentials() && !state.is_closed();
        let next_refresh = if has_refreshes { state.next_refresh(now) } else { None };
        let lifetime = held.map(|held| held.tokens.lifetime);
        let phase = phase_of(config, state, now);
        let is_manual = phase == TokenPhase::Manual;
        let token_type = match held {
            _ if is_manual => Some(config.scheme.as_ref().map_or("Bearer", |scheme| scheme.as_str())),
            held => held.map(|held| held.tokens.scheme.as_str()),
        };
        let source = if is_manual { Some(Source::Manual) } else { held.map(|held| held.source) };
        Self {
            service: config.service.to_string(),
            state: phase,
            healthy: is_healthy(config, state, store, now),
            source: source.map(Source::as_str),
            token_type: token_type.filter(|name| !name.is_empty()).map(str::to_owned),
            issued_at: lifetime.map(|life| life.issued_at()),
            expires_at: lifetime.and_then(|life| life.expires_at()),
            refresh_at: lifetime.and_then(|life| life.refresh_at()),
            expires_in_seconds: lifetime
                .and_then(|life| life.expires_at())
                .map(|end| now.until(end).as_secs()),
            last_refresh_at: state.history().last_refresh_at(),
            consecutive_failures: state.failures(),
            last_error: state.history().last_error().cloned(),
            strategy: strategy(config, state),
            scheduler: SchedulerStatus {
                next_refresh_at: next_refresh,
                ..SchedulerStatus::new(&SchedulerOptions::default())
            },
            storage: StorageStatus::new(store),
            counters: state.history().counters(),
            history: state.history().entries().cloned().collect(),
        }
    }
}

/// The phase of the token, in which the manual one may stand in.
fn phase_of(config: &Config, state: &TokenState, now: Timestamp) -> TokenPhase {
    let phase = state.phase(now);
    let stands_in = config.manual_token.is_some()
        && matches!(phase, TokenPhase::Missing | TokenPhase::Expired)
        && (!config.has_credentials() || state.failures() > 0 || state.paused_until(now).is_some());
    if stands_in { TokenPhase::Manual } else { phase }
}

fn is_healthy(config: &Config, state: &TokenState, store: &StoreClient, now: Timestamp) -> bool {
    let has_token = state.usable(now).is_some() || !config.has_credentials();
    let is_new = state.held().is_none() && state.history().last_error().is_none();
    (has_token || is_new)
        && state.failures() < config.alert_after_failures
        && store.is_healthy()
        && !state.is_closed()
}

fn strategy(config: &Config, state: &TokenState) -> Option<StrategyStatus> {
    if config.login.is_function {
        return state.held().map(|_| StrategyStatus::of_function());
    }
    state.grant().map(|grant| StrategyStatus::new(grant, config))
}

/// The request that worked last.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyStatus {
    pub grant: String,
    pub endpoint: String,
    pub format: String,
}

impl StrategyStatus {
    fn of_function() -> Self {
        Self { grant: "login".to_owned(), endpoint: LOGIN_FUNCTION.to_owned(), format: "function".to_owned() }
    }

    fn new(grant: &GrantRequest, config: &Config) -> Self {
        Self {
            grant: grant.grant_name(config).to_owned(),
            endpoint: display_url(&grant.endpoint),
            format: grant.format_name(config),
        }
    }
}

/// `SchedulerStatus` of the public interface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is documented where users read it, in index.d.ts")]
pub struct SchedulerStatus {
    pub running: bool,
    pub refresh_interval_seconds: f64,
    pub health_check_interval_seconds: f64,
    pub next_refresh_at: Option<Timestamp>,
    pub last_health_check_at: Option<Timestamp>,
}

impl SchedulerStatus {
    /// A scheduler with these options that does not run.
    pub fn new(options: &SchedulerOptions) -> Self {
        Self {
            running: false,
            refresh_interval_seconds: options.refresh_interval.as_secs_f64(),
            health_check_interval_seconds: options.health_check_interval.as_secs_f64(),
            next_refresh_at: None,
            last_health_check_at: None,
        }
    }
}

/// Where the token is stored.
#[derive(Clone, Debug, Serialize)]
pub struct StorageStatus {
    pub kind: &'static str,
    pub location: String,
    pub encrypted: bool,
    pub healthy: bool,
}

impl StorageStatus {
    fn new(store: &StoreClient) -> Self {
        Self {
            kind: store.kind(),
            location: store.location(),
            encrypted: store.is_encrypted(),
            healthy: store.is_healthy(),
        }
    }
}

fn phase<S: Serializer>(phase: &TokenPhase, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(phase.as_str())
}
