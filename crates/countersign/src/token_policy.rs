//! The requirements for tokens.

use crate::scheme::token::Policy;

/// What is asked of a token (RFC 7519) besides a signature with a key of the key set.
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
    /// Takes tokens that were issued for one of these audiences, and that bind the body.
    pub fn new<A: Into<String>>(audience: impl IntoIterator<Item = A>) -> Self {
        let audience = audience.into_iter().map(Into::into).collect();
        Self(Policy { audience, issuer: Vec::new(), types: Vec::new(), binds_body: true })
    }

    /// Takes tokens of these issuers only; of any, if there is none.
    pub fn issuer<I: Into<String>>(mut self, issuer: impl IntoIterator<Item = I>) -> Self {
        self.0.issuer = issuer.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts tokens whose header names one of these types (`typ`), besides those that name none or `JWT`.
    /// Types are compared as media types: case-insensitive, with or without `application/` (RFC 7515, 4.1.9).
    pub fn typ<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.0.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts tokens that say nothing about the body. A token with a hash of the body is still rejected if the
    /// hash does not match.
    ///
    /// Whoever sees one such delivery can send its token with any other body, for as long as the token
    /// is valid and its id is not remembered. Read nothing from the body of such a delivery.
    pub fn danger_accept_unbound_bodies(mut self) -> Self {
        self.0.binds_body = false;
        self
    }

    pub(crate) fn into_policy(self) -> Policy {
        self.0
    }
}
