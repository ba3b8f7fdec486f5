//! The rules of a token's state, without a server, a clock or a store.

use serde_json::json;

use super::*;
use crate::domain::{AccessToken, Lifetime, Policy, TokenSet, TokenType};
use crate::error::ErrorKind;

/// The moment of most tests, in seconds.
const START: u64 = 1_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp::MIN.plus(Duration::from_secs(START + second))
}

fn state() -> TokenState {
    let config = json!({ "authUrl": "https://h/token", "clientId": "app", "clientSecret": "s3cret",
        "storage": { "kind": "memory" } });
    TokenState::new(&Config::from_json(config).unwrap())
}

/// A token that was issued at `issued` and lives for an hour: due after 3300 s, usable for 3595 s.
fn token(text: &str, issued: u64) -> HeldToken {
    HeldToken {
        tokens: TokenSet {
            access_token: Some(AccessToken::parse(text).unwrap()),
            scheme: TokenType::bearer(),
            refresh_token: Some(Secret::new(format!("refresh-{text}"))),
            lifetime: Lifetime::new(at(issued), Some(at(issued + 3600)), &Policy::default(), 0.0),
        },
        generation: Generation::default(),
        source: Source::Request,
        grant: None,
        fields: crate::domain::AnswerFields::default(),
        proof_key: None,
        revision: None,
        sharing: Sharing::No,
        consent: crate::domain::Consent::default(),
        refresh_has_failed: false,
    }
}

fn holding(text: &str) -> TokenState {
    let mut state = state();
    state.refresh(token(text, 0), at(0), at(0));
    state
}

fn revision(number: u64) -> Revision {
    Revision { number, digest: number }
}

fn network() -> Error {
    Error::new(ErrorKind::Network, "connection refused")
}

fn rejected() -> Error {
    Error::new(ErrorKind::Credentials, "rejected")
}

fn fail(state: &mut TokenState, error: &Error, second: u64) {
    state.fail(error, at(second), at(second), Jitter::fixed(1.0));
}

#[test]
fn a_token_goes_through_its_phases_at_its_moments() {
    let state = holding("a");
    for (second, phase) in [
        (3299, TokenPhase::Valid),
        (3300, TokenPhase::Expiring),
        (3594, TokenPhase::Expiring),
        (3595, TokenPhase::Expired),
    ] {
        assert_eq!(state.phase(at(second)), phase, "{second}");
    }
    assert_eq!(state.next_change(at(0)), Some(at(3300)));
    assert_eq!(state.next_change(at(3300)), Some(at(3595)));
    assert_eq!(state.next_change(at(3595)), None);
    assert_eq!(super::tests::state().phase(at(0)), TokenPhase::Missing);
}

#[test]
fn a_failed_refresh_keeps_the_token_and_pauses() {
    let mut state = holding("a");
    fail(&mut state, &network(), 3300);
    assert!(state.usable(at(3301)).is_some());
    assert_eq!(state.failures(), 1);
    assert!(state.may_refresh(RefreshReason::Due, at(3300)).is_err());
    assert!(
        state.may_refresh(RefreshReason::Requested, at(3300)).is_ok(),
        "an explicit request goes through"
    );
    let end = state.paused_until(at(3300)).unwrap();
    assert_eq!(state.next_refresh(at(3300)), Some(end));
    assert!(state.may_refresh(RefreshReason::Due, end).is_ok());
}

#[test]
fn in_a_pause_the_error_is_the_one_that_caused_it_with_the_rest_of_the_wait() {
    let mut state = state();
    fail(&mut state, &rejected(), 0);
    let error = state.may_refresh(RefreshReason::Due, at(20)).unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Credentials, Some(Duration::from_secs(40))));
}

#[test]
fn a_token_ends_the_failures_and_raises_the_generation() {
    let mut state = holding("a");
    fail(&mut state, &rejected(), 10);
    assert_eq!(
        (state.rejections(), state.history().last_error().map(|error| error.code)),
        (1, Some("ERR_TOKEN_CREDENTIALS"))
    );
    state.refresh(token("b", 20), at(20), at(20));
    assert_eq!((state.failures(), state.rejections()), (0, 0));
    assert!(state.history().last_error().is_none() && state.paused_until(at(20)).is_none());
    assert_eq!(state.held().unwrap().generation, Generation(2));
    assert!(state.has_later_than(Generation(1), at(20)) && !state.has_later_than(Generation(2), at(20)));
}

#[test]
fn an_adopted_token_that_has_expired_is_held_and_counts_for_nothing() {
    let mut state = state();
    fail(&mut state, &network(), 4000);
    state.adopt(token("old", 0), at(4000), at(4000));
    assert_eq!((state.failures(), state.history().counters().store_hits), (1, 0));
    assert!(state.held().is_some() && state.usable(at(4000)).is_none());
    state.adopt(token("new", 4000), at(4000), at(4000));
    assert_eq!((state.failures(), state.history().counters().store_hits), (0, 1));
}

#[test]
fn what_satisfies_a_refresh_depends_on_its_reason() {
    let mut state = holding("a");
    assert!(state.satisfies(RefreshReason::Start, false, at(0)));
    assert!(state.satisfies(RefreshReason::Due, false, at(3299)));
    assert!(!state.satisfies(RefreshReason::Due, false, at(3300)));
    assert!(!state.satisfies(RefreshReason::Rejected(Generation(1)), false, at(0)));
    assert!(state.satisfies(RefreshReason::Rejected(Generation(0)), false, at(0)));
    assert!(!state.satisfies(RefreshReason::Requested, false, at(0)));
    assert!(state.satisfies(RefreshReason::Requested, true, at(0)), "another process has just refreshed");
    let interval = RefreshReason::Interval(Duration::from_secs(600));
    assert!(!state.satisfies(interval, false, at(0)), "this process obtained it");
    state.adopt(HeldToken { source: Source::Store, ..token("b", 0) }, at(0), at(0));
    assert!(state.satisfies(interval, false, at(299)));
    assert!(!state.satisfies(interval, false, at(300)));
}

#[test]
fn a_cleared_token_is_not_replaced_before_it_is_asked_for() {
    let mut state = holding("a");
    let epoch = state.epoch();
    assert!(state.clear(at(5)).is_some());
    assert_ne!(state.epoch(), epoch, "an attempt under way keeps nothing");
    assert_eq!(state.next_refresh(at(5)), None);
    assert_eq!(state.phase(at(5)), TokenPhase::Missing);
    assert!(state.is_due(at(5)));
    state.refresh(token("b", 6), at(6), at(6));
    assert!(state.next_refresh(at(6)).is_some());
}

#[test]
fn a_closed_service_refreshes_for_no_reason() {
    let mut state = state();
    state.close();
    for reason in [RefreshReason::Start, RefreshReason::Due, RefreshReason::Requested] {
        assert_eq!(state.may_refresh(reason, at(0)).unwrap_err().kind(), ErrorKind::Shutdown);
    }
}

#[test]
fn a_token_is_replaced_at_its_own_pace_but_not_more_often_than_once_a_second() {
    let mut state = holding("a");
    for _ in 0..50 {
        assert_eq!(state.admit(RefreshReason::Due, at(10)).unwrap(), Duration::ZERO);
    }
    assert_eq!(state.admit(RefreshReason::Due, at(0)).unwrap(), Duration::from_secs(1));
}

#[test]
fn explicit_requests_are_held_to_the_rate_and_the_excess_pauses() {
    let mut state = holding("a");
    for _ in 0..10 {
        state.admit(RefreshReason::Requested, at(10)).unwrap();
    }
    let error = state.admit(RefreshReason::Requested, at(10)).unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(60))));
    assert_eq!(state.paused_until(at(10)), Some(at(70)));
    assert_eq!(state.failures(), 0, "it is not a failure");
}

#[test]
fn a_refresh_token_that_may_be_spent_is_dropped_and_an_unspent_one_is_kept() {
    let mut state = holding("a");
    let sent = Secret::new("refresh-a");
    state.fail_refresh(&sent, true);
    assert!(state.held().unwrap().refresh_has_failed && state.held().unwrap().tokens.refresh_token.is_some());
    state.fail_refresh(&Secret::new("another"), false);
    assert!(state.held().unwrap().tokens.refresh_token.is_some(), "it is not the one that was sent");
    state.fail_refresh(&sent, false);
    assert!(state.held().unwrap().tokens.refresh_token.is_none() && state.is_unsaved());
}

#[test]
fn a_failed_refresh_token_is_not_sent_once_the_token_has_expired() {
    let mut state = state();
    let grant = crate::grants::first_request(
        &Config::from_json(json!({ "authUrl": "https://h/token", "clientId": "a", "clientSecret": "b" }))
            .unwrap(),
    );
    state.refresh(HeldToken { grant, ..token("a", 0) }, at(0), at(0));
    assert!(state.refresh_token(at(3600)).is_some());
    state.fail_refresh(&Secret::new("refresh-a"), true);
    assert!(state.refresh_token(at(3594)).is_some());
    assert!(state.refresh_token(at(3595)).is_none());
}

#[test]
fn the_first_refusal_of_any_refresh_token_is_reported_once() {
    let mut state = holding("a");
    assert!(state.refuse_refresh(&Secret::new("refresh-a"), false));
    assert!(!state.refuse_refresh(&Secret::new("refresh-a"), false));
    let mut accepted = holding("a");
    accepted.settle_refresh();
    assert!(!accepted.refuse_refresh(&Secret::new("refresh-a"), false));
    assert!(!holding("a").refuse_refresh(&Secret::new("refresh-a"), true), "this way has worked before");
}

#[test]
fn recovery_forgets_a_failing_refresh_token_and_keeps_a_good_one() {
    let mut state = holding("a");
    assert!(!state.begin_again(), "there is nothing to forget");
    assert!(state.held().unwrap().tokens.refresh_token.is_some());
    state.fail_refresh(&Secret::new("refresh-a"), true);
    assert!(state.begin_again());
    assert!(state.held().unwrap().tokens.refresh_token.is_none());
}

#[test]
fn a_removal_drops_the_token_and_a_loss_has_it_stored_again() {
    let stored = || {
        let mut state = holding("a");
        state.mark_stored(Generation(1), revision(7));
        assert!(!state.is_unsaved());
        state
    };
    let mut lost = stored();
    assert!(!lost.see_absence(None, at(1)));
    assert!(lost.usable(at(1)).is_some() && lost.is_unsaved());
    let mut removed = stored();
    assert!(removed.see_absence(Some(revision(8)), at(1)));
    assert!(removed.held().is_none());
    let mut earlier = stored();
    assert!(!earlier.see_absence(Some(revision(6)), at(1)), "what was stored since is later");
    assert!(earlier.usable(at(1)).is_some());
}

#[test]
fn the_revision_of_another_generation_is_not_that_of_the_token() {
    let mut state = holding("a");
    state.mark_stored(Generation(9), revision(7));
    assert!(state.is_unsaved());
    assert_eq!(state.stored(), Some(revision(7)));
}

#[test]
fn a_token_from_the_future_is_replaced_now() {
    let mut state = state();
    state.refresh(token("a", 4000), at(4000), at(4000));
    assert_eq!(state.next_refresh(at(4000)), Some(at(7300)));
    assert_eq!(state.phase(at(100)), TokenPhase::Expired, "the clock was set back");
    assert_eq!(state.next_refresh(at(100)), Some(at(100)));
}
