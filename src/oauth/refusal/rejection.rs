//! The phrases by which servers say that credentials are wrong, in the most common languages.

use super::words::has;

/// The user, the password or the credentials are wrong.
const REJECTION: [&str; 98] = [
    "invalid credential",
    "invalid login",
    "invalid password",
    "invalid user",
    "invalid email",
    "invalid e mail",
    "invalid identifier",
    "invalid account",
    "invalid api key",
    "invalid secret",
    "invalid pass",
    "invalid auth",
    "incorrect credential",
    "incorrect password",
    "incorrect user",
    "incorrect email",
    "incorrect login",
    "incorrect secret",
    "wrong credential",
    "wrong password",
    "wrong user",
    "wrong email",
    "wrong login",
    "wrong secret",
    "wrong pass",
    "bad credential",
    "bad password",
    "bad username",
    "bad login",
    "bad user",
    "password is incorrect",
    "password is wrong",
    "password is invalid",
    "password is not correct",
    "password is not valid",
    "password not valid",
    "password not correct",
    "password incorrect",
    "password wrong",
    "password invalid",
    "password mismatch",
    "password does not match",
    "password did not match",
    "password doesnt match",
    "passwords do not match",
    "credentials are incorrect",
    "credentials are invalid",
    "credentials are wrong",
    "credentials are not valid",
    "credentials do not match",
    "credentials were incorrect",
    "credentials were invalid",
    "credentials incorrect",
    "credentials invalid",
    "credentials not valid",
    "credentials rejected",
    "credentials were rejected",
    "valid credentials",
    "valid username and password",
    "valid user name and password",
    "valid email and password",
    "valid username or password",
    "valid email or password",
    "user not found",
    "username not found",
    "user name not found",
    "user does not exist",
    "user doesnt exist",
    "no such user",
    "no user found",
    "unknown user",
    "account not found",
    "account does not exist",
    "no account",
    "no active account",
    "email not found",
    "not registered",
    "unable to log in with",
    "unable to login",
    "unable to authenticate",
    "failed to authenticate",
    "failed to log in",
    "failed to login",
    "failed login",
    "could not authenticate",
    "couldnt authenticate",
    "cannot authenticate",
    "authentication failed",
    "authentication failure",
    "authentication unsuccessful",
    "authentication was unsuccessful",
    "login failed",
    "login failure",
    "login incorrect",
    "login unsuccessful",
    "logon failure",
    "sign in failed",
    "access denied for user",
];

/// Words for a request without valid credentials. They are also status texts, so they count only with a
/// status other than 401.
pub(super) const UNAUTHORIZED: [&str; 5] =
    ["unauthorized", "unauthorised", "unauthenticated", "not authenticated", "not authorized"];

/// "Incorrect" in the languages that share the word, unless it is about one of [`NOT_CREDENTIALS`].
const INCORRECT: [&str; 2] = ["incorrect", "incorret"];

/// What may be incorrect other than credentials.
const NOT_CREDENTIALS: [&str; 12] = [
    "content type",
    "grant type",
    "parameter",
    "format",
    "json",
    "scope",
    "redirect",
    "url",
    "method",
    "header",
    "request body",
    "number of",
];

/// What validators say about a wrong value, and not about a missing one.
const WRONG_VALUE: [&str; 5] = ["wrong", "mismatch", "does not match", "do not match", "did not match"];

/// Words for credentials in other languages.
const FOREIGN_CREDENTIALS: [&str; 26] = [
    "passwort",
    "kennwort",
    "anmeldedaten",
    "zugangsdaten",
    "benutzername",
    "mot de passe",
    "identifiants",
    "nom dutilisateur",
    "contraseña",
    "credenciales",
    "usuario",
    "senha",
    "credenciais",
    "usuário",
    "credenziali",
    "wachtwoord",
    "парол",
    "логин",
    "パスワード",
    "密码",
    "密碼",
    "用户名",
    "用戶名",
    "账号",
    "帐号",
    "비밀번호",
];

/// Words for "wrong" in other languages.
const FOREIGN_ERRORS: [&str; 26] = [
    "falsch",
    "ungültig",
    "ungueltig",
    "nicht korrekt",
    "stimmt nicht",
    "stimmen nicht",
    "invalide",
    "inválid",
    "erroné",
    "inconnu",
    "incorrect",
    "incorret",
    "errat",
    "onjuist",
    "еверн",
    "еправильн",
    "正しく",
    "違い",
    "错误",
    "錯誤",
    "不正确",
    "不正確",
    "有误",
    "无效",
    "不存在",
    "잘못",
];

/// Complete phrases in other languages.
const FOREIGN_REJECTION: [&str; 11] = [
    "anmeldung fehlgeschlagen",
    "authentifizierung fehlgeschlagen",
    "login fehlgeschlagen",
    "échec de lauthentification",
    "échec de la connexion",
    "用户不存在",
    "登录失败",
    "登入失敗",
    "认证失败",
    "身份验证失败",
    "認証に失敗",
];

/// Whether a text, normalized by [`super::words::plain`], says that the user, the password or the credentials
/// are wrong.
pub(super) fn rejects(plain: &str) -> bool {
    let is_about_credentials = || !has(plain, &NOT_CREDENTIALS);
    has(plain, &REJECTION)
        || has(plain, &FOREIGN_REJECTION)
        || (has(plain, &FOREIGN_CREDENTIALS) && has(plain, &FOREIGN_ERRORS))
        || (has(plain, &INCORRECT) && is_about_credentials())
}

/// Whether a text, normalized by [`super::words::plain`], says that the value of a field is wrong.
pub(super) fn rejects_the_value(plain: &str) -> bool {
    has(plain, &WRONG_VALUE) && !plain.contains("went wrong") && !has(plain, &NOT_CREDENTIALS)
}
