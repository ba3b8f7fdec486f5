//! `login` of the configuration.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{AnswerPath, LoginShape};

pub(super) fn read(f: &mut Fields<'_>) -> LoginShape {
    let Some(mut login) = f.object("login") else { return LoginShape::default() };
    let shape = LoginShape {
        body: login.map("body"),
        form: login.one_of("format", &[("json", false), ("form", true)]).unwrap_or(false),
        token_path: answer_path(&mut login, "tokenPath"),
        refresh_token_path: answer_path(&mut login, "refreshTokenPath"),
        expires_path: answer_path(&mut login, "expiresPath"),
    };
    let nested = |body: &Map<String, Value>| body.values().any(|v| v.is_array() || v.is_object());
    if shape.form && shape.body.as_ref().is_some_and(nested) {
        login.fault("body", "must be flat when login.format is \"form\"");
    }
    login.finish();
    shape
}

fn answer_path(login: &mut Fields<'_>, key: &'static str) -> Option<AnswerPath> {
    let text = login.text(key)?;
    AnswerPath::parse(&text).map_err(|fault| login.fault(key, fault)).ok()
}
