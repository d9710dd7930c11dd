//! The requirements for tokens.

use crate::scheme::token::Policy;

/// The requirements for a token (RFC 7519), in addition to a signature by a key of the key set.
///
/// ```
/// use countersign::TokenPolicy;
///
/// let policy = TokenPolicy::new(["https://hooks.example.com/gemini"])
///     .issuer(["https://generativelanguage.googleapis.com"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenPolicy(Policy);

impl TokenPolicy {
    /// Accepts tokens that are issued for one of these audiences and bind the body.
    pub fn new<A: Into<String>>(audience: impl IntoIterator<Item = A>) -> Self {
        let audience = audience.into_iter().map(Into::into).collect();
        Self(Policy { audience, issuer: Vec::new(), types: Vec::new(), binds_body: true })
    }

    /// Accepts tokens of these issuers only. Default: any issuer.
    pub fn issuer<I: Into<String>>(mut self, issuer: impl IntoIterator<Item = I>) -> Self {
        self.0.issuer = issuer.into_iter().map(Into::into).collect();
        self
    }

    /// Also accepts tokens whose `typ` header is one of these types. Tokens without `typ`, or with `JWT`, are always
    /// accepted. Types are compared as media types: case-insensitive, with or without `application/` (RFC 7515, 4.1.9).
    pub fn typ<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.0.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts tokens that do not bind the body. A token with a body hash is still rejected if the hash does not match.
    ///
    /// Anyone who sees such a request can send its token with another body, as long as the token is valid and the
    /// replay store does not remember its id. Do not trust the body of such a request.
    pub fn danger_accept_unbound_bodies(mut self) -> Self {
        self.0.binds_body = false;
        self
    }

    pub(crate) fn into_policy(self) -> Policy {
        self.0
    }
}
