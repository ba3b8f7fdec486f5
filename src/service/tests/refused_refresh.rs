//! What the log says about a refused refresh token and a narrowed scope.

use super::scripted_store::{ScriptedStore, clock, configured_process};
use super::*;

/// Keeps the warnings.
#[derive(Default)]
pub(super) struct Notebook(StdMutex<Vec<String>>);

impl Sink for Notebook {
    fn write_line(&self, line: LogLine) {
        self.0.lock().unwrap().push(line.message);
    }
}

impl Notebook {
    pub(super) fn of(fixture: &TestService) -> Arc<Self> {
        let notebook = Arc::<Self>::default();
        fixture.service.set_log(Log::new(ServiceName::default(), Level::Warn, Arc::clone(&notebook) as _));
        notebook
    }

    pub(super) fn lines_with(&self, words: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    /// The warnings that say what to set.
    fn advice(&self) -> Vec<String> {
        self.lines_with("refreshUrl")
    }

    fn refusals(&self) -> usize {
        self.lines_with("refresh token was refused").len()
    }
}

fn refused() -> Script {
    refusal(400, "invalid_grant")
}

#[tokio::test]
async fn a_refusal_at_the_first_use_says_once_what_to_set() {
    let answers = [rotating("a1", "r1"), refused(), rotating("b1", "r2"), refused(), rotating("c1", "r3")];
    let fixture = test_service(answers);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    let [advice] = &notebook.advice()[..] else { panic!("{:?}", notebook.0) };
    for part in [
        "has not accepted one yet",
        "form",
        "https://h/token",
        "refreshUrl",
        "refreshFormat",
        "'json' or 'bearer'",
    ] {
        assert!(advice.contains(part), "{part}: {advice}");
    }
    fixture.service.refresh().await.unwrap();
    assert_eq!(notebook.advice().len(), 1, "not said again");
    assert_eq!(notebook.refusals(), 2);
    assert_eq!(fixture.token().await.as_deref(), Some("c1"));
}

#[tokio::test]
async fn the_advice_names_where_and_how_it_was_sent() {
    let login = json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": "hunter2", "clientId": null, "clientSecret": null,
        "refreshUrl": "https://h/renew?key=hunter2",
    });
    let fixture = TestService::with(
        &login,
        [rotating("a1", "r1"), Script::Http(404, json!({}), None), token("b1", 60)],
    );
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    let [advice] = &notebook.advice()[..] else { panic!("{:?}", notebook.0) };
    assert!(advice.contains("https://h/renew as ") && advice.contains("'form' or 'bearer'"), "{advice}");
    assert!(!advice.contains("hunter2") && !advice.contains("r1"), "{advice}");
}

#[tokio::test]
async fn once_a_refresh_has_worked_a_refusal_is_only_a_refusal() {
    let fixture = test_service([rotating("a1", "r1"), rotating("a2", "r2"), refused(), token("b1", 3600)]);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!((notebook.advice().len(), notebook.refusals()), (0, 1));
}

#[tokio::test]
async fn that_a_refresh_has_worked_is_remembered_in_the_store() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let first = configured_process(&json!({}), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    first.token().await;
    first.service.refresh().await.unwrap();
    first.service.shutdown().await;
    let second = configured_process(&json!({}), &store, &clock, [refused(), token("b1", 3600)]);
    let notebook = Notebook::of(&second);
    assert_eq!(second.token().await.as_deref(), Some("a2"));
    second.service.refresh().await.unwrap();
    assert_eq!((notebook.advice().len(), notebook.refusals()), (0, 1));
}

#[tokio::test]
async fn a_client_that_is_refused_says_nothing_of_the_form() {
    let client = || refusal(401, "invalid_client");
    let fixture = test_service([rotating("a1", "r1"), client(), client(), client()]);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.pass(3400);
    fixture.at_once();
    fixture.landed().await;
    assert_eq!(fixture.server.requests(), 3);
    assert_eq!((notebook.advice().len(), notebook.refusals()), (0, 0));
}

#[tokio::test]
async fn a_client_that_is_refused_at_a_refresh_proves_itself_by_the_other_method_and_keeps_to_it() {
    let answers =
        [rotating("a1", "r1"), refusal(401, "invalid_client"), rotating("a2", "r2"), rotating("a3", "r3")];
    let fixture = test_service(answers);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("a3"));
    for (index, refresh_token) in [(2, "r1"), (3, "r2")] {
        let sent = fixture.server.asked(index);
        assert!(
            sent.contains(&format!("refresh_token={refresh_token}")) && sent.contains("client_secret="),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn a_client_that_is_refused_by_both_methods_keeps_the_refresh_token() {
    let client = || refusal(401, "invalid_client");
    let fixture = test_service([rotating("a1", "r1"), client(), client(), rotating("a2", "r2")]);
    fixture.token().await;
    fixture.pass(3400);
    fixture.at_once();
    fixture.landed().await;
    fixture.service.refresh().await.unwrap();
    assert!(fixture.server.asked(3).contains("refresh_token=r1"));
}

#[tokio::test]
async fn a_narrowed_scope_is_logged_once() {
    let narrowed = |name: &str| {
        let body = json!({ "access_token": name, "refresh_token": "r", "expires_in": 3600, "scope": "read" });
        Script::Http(200, body, None)
    };
    let settings = json!({ "scope": "read write" });
    let fixture = TestService::with(&settings, [narrowed("a1"), narrowed("a2"), narrowed("a3")]);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    let lines = notebook.0.lock().unwrap();
    assert_eq!(*lines, ["the token server did not grant every scope in `scope`: it left out write"]);
}

#[tokio::test]
async fn an_unreadable_expiry_is_logged_once() {
    let vague =
        |name: &str| Script::Http(200, json!({ "access_token": name, "expires_in": "whenever" }), None);
    let fixture = test_service([vague("a1"), vague("a2"), vague("a3")]);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    let [line] = &notebook.lines_with("expires_in")[..] else { panic!("{:?}", notebook.0) };
    assert!(line.contains("https://h/token") && !line.contains("whenever"), "{line}");
}
