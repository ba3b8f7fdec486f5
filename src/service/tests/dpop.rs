//! Tokens that are bound to a key (RFC 9449).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::scripted_store::ScriptedStore;
use super::*;
use crate::crypto::jws_tests::verified_proof;

const NONCE: &str = "eyJ7S_zG.eyJH0-Z.HX4w-7v";

fn bound(name: &str) -> Script {
    Script::Http(200, json!({ "access_token": name, "token_type": "DPoP", "expires_in": 3600 }), None)
}

fn rotating_bound(name: &str, refresh_token: &str) -> Script {
    let body = json!({
        "access_token": name, "token_type": "DPoP", "expires_in": 3600, "refresh_token": refresh_token,
    });
    Script::Http(200, body, None)
}

fn wants_nonce(nonce: &str) -> Script {
    Script::Headed(400, json!({ "error": "use_dpop_nonce" }), vec![("dpop-nonce", nonce.into())])
}

fn dpop(answers: impl IntoIterator<Item = Script>) -> TestService {
    TestService::with(&json!({ "dpop": true, "retry": { "baseMs": 1 } }), answers)
}

fn shared(
    store: &Arc<ScriptedStore>,
    extra: &Value,
    answers: impl IntoIterator<Item = Script>,
) -> TestService {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000.0)));
    TestService::at(extra, answers, clock, Some(Arc::clone(store) as Arc<dyn Store>))
}

/// The public key and the claims of each request's proof.
fn proofs(fixture: &TestService) -> Vec<(Value, Value)> {
    let proofs = fixture.server.proofs.lock().unwrap();
    proofs.iter().map(|proof| read(proof.as_ref().unwrap())).collect()
}

fn read(proof: &Secret) -> (Value, Value) {
    let (header, claims) = verified_proof(proof).unwrap();
    (serde_json::to_value(&header.jwk).unwrap(), claims)
}

impl TestService {
    /// The public key and the claims of a proof for a request with the token in hand.
    async fn proof(&self, method: &str, url: &str) -> (Value, Value) {
        let snapshot = self.service.acquire().await.unwrap().unwrap();
        match self.service.proof(method, url, snapshot.generation).unwrap().unwrap() {
            DpopProof::Header(proof) => read(&proof),
            DpopProof::NotNeeded => panic!("{} needs a proof", snapshot.scheme.as_str()),
        }
    }
}

#[tokio::test]
async fn a_token_and_its_refreshes_are_bound_to_one_key() {
    let fixture = dpop([
        rotating_bound("one", "r1"),
        rotating_bound("two", "r2"),
        refusal(400, "invalid_grant"),
        bound("three"),
    ]);
    fixture.token().await;
    for _ in 0..2 {
        fixture.pass(10);
        fixture.service.refresh().await.unwrap();
    }
    assert_eq!(fixture.token().await.as_deref(), Some("three"));
    let all = proofs(&fixture);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|(key, _)| *key == all[0].0), "{all:?}");
    assert_eq!((&all[0].1["htm"], &all[0].1["htu"]), (&json!("POST"), &json!("https://h/token")));

    let (key, claims) = fixture.proof("GET", "https://api.example.com/orders?page=2").await;
    assert_eq!(key, all[0].0);
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("GET"), &json!("https://api.example.com/orders")));
    assert!(claims["ath"].is_string() && claims["nonce"].is_null());
}

#[tokio::test]
async fn a_nonce_that_is_asked_for_is_sent_at_once_and_kept_for_its_origin() {
    let fixture =
        dpop([wants_nonce(NONCE), rotating_bound("one", "r1"), wants_nonce("second"), bound("two")]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    let nonces: Vec<_> = proofs(&fixture).into_iter().map(|(_, claims)| claims["nonce"].clone()).collect();
    assert_eq!(nonces, [json!(null), json!(NONCE), json!(NONCE), json!("second")]);
    assert!(
        fixture.server.asked(2).contains("refresh_token=r1")
            && fixture.server.asked(3).contains("refresh_token=r1")
    );
    assert_eq!(fixture.service.status().counters.failures, 0);

    assert!(fixture.proof("GET", "https://api.example.com/").await.1["nonce"].is_null());
    fixture.service.remember_nonce("https://api.example.com/orders", "of the api");
    assert!(fixture.proof("GET", "https://api.example.com/").await.1["nonce"].is_null(), "it is not a nonce");
    fixture.service.remember_nonce("https://api.example.com/orders", "of-the-api");
    assert_eq!(fixture.proof("GET", "https://api.example.com/").await.1["nonce"], "of-the-api");
}

#[tokio::test]
async fn a_nonce_is_asked_for_once_and_then_the_server_fails() {
    let refusals = (0..6).map(|_| wants_nonce(NONCE));
    let fixture = TestService::with(
        &json!({ "dpop": true, "onFailure": "throw", "retry": { "attempts": 1 } }),
        refusals,
    );
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Response, "{}", error.message());
    assert_eq!(fixture.server.requests(), 2);
}

#[tokio::test]
async fn a_nonce_challenge_takes_no_try_from_the_refresh_token() {
    let fixture = dpop([
        rotating_bound("one", "r1"),
        wants_nonce(NONCE),
        Script::Http(503, json!({}), None),
        wants_nonce("second"),
        rotating_bound("two", "r2"),
    ]);
    fixture.token().await;
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("two"));
    assert!((1..5).all(|index| fixture.server.asked(index).contains("refresh_token=r1")));
}

#[tokio::test]
async fn a_server_that_binds_nothing_is_used_as_it_is_and_named_once() {
    struct Count(AtomicUsize);
    impl Sink for Arc<Count> {
        fn write_line(&self, line: LogLine) {
            if line.level == Level::Warn && line.message.contains("ignores dpop") {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let fixture = dpop([token("one", 3600), token("two", 3600)]);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    fixture.service.set_log(Log::new(ServiceName::default(), Level::Warn, Arc::new(Arc::clone(&count))));
    fixture.token().await;
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    let snapshot = fixture.service.acquire().await.unwrap().unwrap();
    assert_eq!(snapshot.scheme.as_str(), "Bearer");
    let proof = fixture.service.proof("GET", "https://api.example.com/", snapshot.generation).unwrap();
    assert!(matches!(proof, Some(DpopProof::NotNeeded)));
}

#[tokio::test]
async fn a_process_that_adopts_the_token_has_its_key() {
    let store = ScriptedStore::new();
    let first = shared(&store, &json!({ "dpop": true }), [rotating_bound("one", "r1")]);
    first.token().await;
    let second = shared(&store, &json!({ "dpop": true }), [bound("two")]);
    assert_eq!(second.token().await.as_deref(), Some("one"));
    let url = "https://api.example.com/";
    assert_eq!(first.proof("GET", url).await.0, second.proof("GET", url).await.0);
    second.pass(10);
    second.service.refresh().await.unwrap();
    assert_eq!(proofs(&second)[0].0, proofs(&first)[0].0);
    assert!(second.server.asked(0).contains("refresh_token=r1"));
}

#[tokio::test]
async fn a_stored_token_without_a_key_is_replaced_and_so_is_one_whose_key_is_missing() {
    let store = ScriptedStore::new();
    let bearer = shared(&store, &json!({}), [token("unbound", 3600)]);
    bearer.token().await;
    let proving = shared(&store, &json!({ "dpop": true }), [bound("bound")]);
    assert_eq!(proving.token().await.as_deref(), Some("bound"));
    let plain = shared(&store, &json!({}), [token("plain", 3600)]);
    assert_eq!(plain.token().await.as_deref(), Some("plain"));
}

#[tokio::test]
async fn a_proof_is_for_the_token_in_hand_only() {
    let fixture = dpop([bound("one"), bound("two")]);
    let one = fixture.service.acquire().await.unwrap().unwrap();
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    assert!(fixture.service.proof("GET", "https://h/", one.generation).unwrap().is_none());
    for (method, url, field) in [
        ("GET ", "https://h/", "request.method"),
        ("", "https://h/", "request.method"),
        ("GET", "/orders", "request.url"),
        ("GET", "file:///etc/passwd", "request.url"),
    ] {
        let error = fixture.service.proof(method, url, one.generation).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

#[tokio::test]
async fn what_is_signed_goes_by_the_servers_clock_from_its_first_answer_on() {
    // The local clock stands at 2027-01-15T08:00:00Z, an hour behind.
    let date = || vec![("date", "Fri, 15 Jan 2027 09:00:00 GMT".to_owned())];
    let too_old = Script::Headed(400, json!({ "error": "invalid_dpop_proof" }), date());
    let granted = json!({ "access_token": "one", "token_type": "DPoP", "expires_in": 3600 });
    let fixture = dpop([too_old, Script::Headed(200, granted, date())]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    let dates: Vec<_> = proofs(&fixture).into_iter().map(|(_, claims)| claims["iat"].clone()).collect();
    assert_eq!(dates, [json!(1_800_000_000), json!(1_800_003_600)]);
    assert_eq!(fixture.proof("GET", "https://api.example.com/").await.1["iat"], 1_800_003_600);
    assert_eq!(fixture.service.status().counters.failures, 0);
}

#[tokio::test]
async fn a_refused_secret_is_not_sent_again_however_the_clock_is_set() {
    let date = vec![("date", "Fri, 15 Jan 2027 09:00:00 GMT".to_owned())];
    let refused = Script::Headed(401, json!({ "error": "invalid_client" }), date);
    let config = json!({ "dpop": true, "clientAuthentication": "client_secret_post", "onFailure": "throw" });
    let fixture = TestService::with(&config, [refused]);
    assert_eq!(fixture.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(fixture.server.requests(), 1);
}
