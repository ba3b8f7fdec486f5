//! The credentials that obtain a token, and how a client authenticates with them.

use crate::crypto::PrivateKey;
use crate::domain::Secret;
use crate::secret_source::SecretSource;

/// The configured credentials.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `client_id` (RFC 6749 §2.2).
    pub client_id: Option<String>,
    /// `client_secret` (RFC 6749 §2.3.1). Empty until it is read, if the configuration does not contain it:
    /// [`CredentialSources`].
    pub client_secret: Option<Secret>,
    /// The client's key (RFC 7523 §2.2).
    pub private_key: Option<PrivateKey>,
    /// The client's certificate (RFC 8705 §2).
    pub client_certificate: Option<ClientCertificate>,
    /// The user's email address.
    pub email: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The user's password, in the same way.
    pub password: Option<Secret>,
    /// The refresh token that was handed in.
    pub refresh_token: Option<Secret>,
}

impl Credentials {
    /// The user name, or else the email address.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref().or(self.email.as_deref())
    }

    /// The default authentication method for these credentials. `has_assertion`: the client's assertion is signed by
    /// its key, or made by a platform.
    pub(super) fn client_method(&self, has_assertion: bool) -> Option<ClientAuthentication> {
        match self {
            Self { client_secret: Some(_), .. } => Some(ClientAuthentication::Basic),
            _ if has_assertion => Some(ClientAuthentication::PrivateKeyJwt),
            Self { client_certificate: Some(_), .. } => Some(ClientAuthentication::TlsClientAuth),
            _ => None,
        }
    }

    /// Whether the user's credentials are complete.
    pub fn has_login(&self) -> bool {
        self.username().is_some() && self.password.is_some()
    }

    /// All secrets. A token must not equal one of them.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.lasting_secrets().chain(&self.refresh_token)
    }

    /// The secrets that the server does not replace. The store's key is derived from one.
    pub fn lasting_secrets(&self) -> impl Iterator<Item = &Secret> {
        let certificate_key = self.client_certificate.as_ref().map(|certificate| &certificate.key);
        self.client_secret.iter().chain(&self.password).chain(certificate_key)
    }
}

/// Where `client_secret` and `password` come from, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct CredentialSources {
    /// Of `client_secret`.
    pub client_secret: Vec<SecretSource>,
    /// Of `password`.
    pub password: Vec<SecretSource>,
}

impl CredentialSources {
    /// Whether one of them is read when it is needed.
    pub fn is_read(&self) -> bool {
        self.all().any(|source| source.as_text().is_none())
    }

    /// Whether reading them runs code of the user's program.
    pub fn has_function(&self) -> bool {
        self.all().any(SecretSource::is_function)
    }

    /// How many alternatives there are: the first is tried first, and the next when the server rejects it.
    pub fn alternatives(&self) -> usize {
        self.client_secret.len().max(self.password.len())
    }

    /// Where the client secret and the password of one alternative come from.
    pub fn alternative(&self, index: usize) -> (Option<&SecretSource>, Option<&SecretSource>) {
        let [client_secret, password] = [&self.client_secret, &self.password]
            // Only one of the two lists has several.
            .map(|sources| sources.get(index).or(sources.first()));
        (client_secret, password)
    }

    fn all(&self) -> impl Iterator<Item = &SecretSource> {
        self.client_secret.iter().chain(&self.password)
    }
}

/// How a client authenticates at the token endpoint. The names are those of the IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`, also with an assertion that a platform makes.
    PrivateKeyJwt,
    /// `client_secret_jwt`.
    SecretJwt,
    /// `tls_client_auth`.
    TlsClientAuth,
    /// `none`: a public client (RFC 6749 §2.1).
    Public,
    /// `client_secret_basic` without the form encoding of RFC 6749 §2.3.1. This name is not registered.
    BasicRaw,
}

impl ClientAuthentication {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Basic,
        Self::Post,
        Self::SecretJwt,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::Public,
        Self::BasicRaw,
    ];

    /// The name in the configuration and in an issuer's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SecretJwt => "client_secret_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::Public => "none",
            Self::BasicRaw => "client_secret_basic_raw",
        }
    }

    /// The other method that sends the same secret, if there is one.
    pub fn other(self) -> Option<Self> {
        match self {
            Self::Basic => Some(Self::Post),
            Self::Post => Some(Self::Basic),
            Self::PrivateKeyJwt | Self::SecretJwt | Self::TlsClientAuth | Self::Public | Self::BasicRaw => {
                None
            }
        }
    }
}

/// The `clientCertificate` option, in PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate and its intermediate certificates.
    pub cert: String,
    /// Its private key.
    pub key: Secret,
}

impl ClientCertificate {
    /// Both, concatenated.
    pub fn pem(&self) -> Secret {
        Secret::new(format!("{}\n{}", self.cert, self.key.expose()))
    }
}
