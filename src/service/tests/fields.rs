//! What is kept of the token answer besides the token.

use super::scripted_store::*;
use super::*;

fn wanting<const N: usize>(names: [&str; N]) -> Value {
    json!({ "fields": names.as_slice() })
}

fn with_url(name: &str, url: &str) -> Script {
    Script::Http(200, json!({ "access_token": name, "expires_in": 3600, "instance_url": url }), None)
}

/// The fields that a caller gets with the token.
async fn fields_of(fixture: &TestService) -> Vec<(String, String)> {
    let snapshot = fixture.service.acquire().await.unwrap().unwrap();
    snapshot.fields.values().map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect()
}

fn url(text: &str) -> Vec<(String, String)> {
    vec![("instance_url".to_owned(), text.to_owned())]
}

#[tokio::test]
async fn a_refresh_that_leaves_a_field_out_keeps_the_earlier_value_and_one_that_has_it_replaces_it() {
    let answers = [
        with_url("a1", "https://one"),
        rotating("a2", "r1"),
        rotating("a3", "r2"),
        with_url("a4", "https://two"),
    ];
    let fixture = TestService::with(&wanting(["instance_url"]), answers);
    assert_eq!(fields_of(&fixture).await, url("https://one"));
    for _ in 0..2 {
        fixture.service.refresh().await.unwrap();
        assert_eq!(fields_of(&fixture).await, url("https://one"));
    }
    fixture.service.refresh().await.unwrap();
    assert_eq!(fields_of(&fixture).await, url("https://two"));
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_with_the_next_token() {
    let fixture =
        TestService::with(&wanting(["instance_url"]), [with_url("a1", "https://one"), token("a2", 3600)]);
    fixture.token().await;
    fixture.service.clear(false).await.unwrap();
    assert_eq!(fields_of(&fixture).await, []);
}

#[tokio::test]
async fn a_process_that_adopts_the_token_has_its_fields_and_asks_for_nothing() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let settings = wanting(["instance_url", "never_there"]);
    configured_process(&settings, &store, &clock, [with_url("a1", "https://one")]).token().await;
    let (row, _) = store.row().await.unwrap();
    assert!(!row.token.expose().contains("https://one"));
    let fixture = configured_process(&settings, &store, &clock, []);
    assert_eq!(fields_of(&fixture).await, url("https://one"));
    fixture.landed().await;
    assert_eq!(fixture.server.requests(), 0);
}

#[tokio::test]
async fn a_stored_token_without_a_field_that_is_wanted_now_is_sent_and_refreshed_in_the_background() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [rotating("a1", "r1")]).token().await;
    let fixture = configured_process(
        &wanting(["instance_url"]),
        &store,
        &clock,
        [with_url("a2", "https://one"), token("a3", 1)],
    );
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    fixture.landed().await;
    assert_eq!(fields_of(&fixture).await, url("https://one"));
    assert_eq!(fixture.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn a_stored_token_is_not_sent_without_the_field_that_says_where_the_api_is() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [rotating("a1", "r1")]).token().await;
    let settings = json!({
        "fields": ["instance_url"], "baseUrl": "{instance_url}", "allowedOrigins": ["https://*.example.com"]
    });
    let fixture = configured_process(&settings, &store, &clock, [with_url("a2", "https://one.example.com")]);
    let snapshot = fixture.service.acquire().await.unwrap().unwrap();
    assert_eq!(snapshot.base_url.unwrap().unwrap().as_str(), "https://one.example.com/");
    assert_eq!(fixture.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
}

#[tokio::test]
async fn a_field_that_no_response_has_is_reported_once_by_name() {
    let (sink, fixture) =
        listening(&wanting(["instance_url", "api_domain"]), [with_url("a1", "u"), token("a2", 3600)]);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    let told = sink.0.lock().unwrap().clone();
    let about: Vec<_> = told.iter().filter(|message| message.contains("`fields`")).collect();
    assert_eq!(about.len(), 1, "{told:?}");
    assert!(about[0].contains("api_domain") && !about[0].contains("instance_url"), "{about:?}");
}

#[tokio::test]
async fn what_is_kept_is_in_no_status_event_or_line() {
    let (sink, fixture) = listening(&wanting(["instance_url"]), [with_url("a1", "https://hunter2")]);
    fixture.token().await;
    let status = serde_json::to_string(&fixture.service.status()).unwrap();
    let lines = sink.0.lock().unwrap().join("\n");
    assert!(!status.contains("hunter2") && !lines.contains("hunter2"));
    assert!(!format!("{:?}", fixture.service.snapshot().unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn a_token_that_does_not_end_has_no_moment_of_expiry() {
    let endless = Script::Http(200, json!({ "access_token": "a1", "expires_in": 0 }), None);
    let fixture = TestService::with(&json!({ "neverExpires": true }), [endless, token("a2", 3600)]);
    fixture.token().await;
    assert_eq!(fixture.service.snapshot().unwrap().unwrap().expires_at, None);
    let status = fixture.service.status();
    assert_eq!((status.state, status.expires_at, status.expires_in_seconds), (TokenPhase::Valid, None, None));
    assert_eq!((status.refresh_at, fixture.service.upkeep().next_refresh()), (None, None));
    fixture.service.refresh().await.unwrap();
    let now = fixture.clock.now();
    assert_eq!(
        fixture.service.snapshot().unwrap().unwrap().expires_at,
        Some(now.plus(Duration::from_secs(3600)))
    );
}

#[derive(Default)]
struct Lines(StdMutex<Vec<String>>);

impl Sink for Lines {
    fn write_line(&self, line: LogLine) {
        self.0.lock().unwrap().push(line.message);
    }
}

/// A service whose lines are kept.
fn listening<const N: usize>(extra: &Value, answers: [Script; N]) -> (Arc<Lines>, TestService) {
    let fixture = TestService::with(extra, answers);
    let sink = Arc::<Lines>::default();
    fixture.service.set_log(Log::new(
        ServiceName::default(),
        Level::Trace,
        Arc::clone(&sink) as Arc<dyn Sink>,
    ));
    (sink, fixture)
}
