//! The token that commands of the admin listener need.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A bearer token. Clones share it.
#[derive(Clone)]
pub struct AdminToken(Arc<Zeroizing<String>>);

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl AdminToken {
    /// A token of 16 to 4096 visible ASCII characters.
    pub fn new(text: &str) -> Option<Self> {
        let is_token = (16..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// Whether a request with these headers knows it: exactly one `Authorization: Bearer`.
    pub fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && token.ct_eq(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_known() {
        let token = AdminToken::new("0123456789abcdef").unwrap();
        for (values, expected) in [
            (&["Bearer 0123456789abcdef"][..], true),
            (&["bearer 0123456789abcdef"], true),
            (&["Bearer 0123456789abcdeF"], false),
            (&["Bearer 0123456789abcde"], false),
            (&["Bearer 0123456789abcdef0"], false),
            (&["Basic 0123456789abcdef"], false),
            (&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"], false),
            (&["Bearer "], false),
            (&[""], false),
            (&[], false),
        ] {
            let headers: HeaderMap = values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect();
            assert_eq!(token.is_known_to(&headers), expected, "{values:?}");
        }
        assert!(AdminToken::new("0123456789abcde").is_none() && AdminToken::new("0123456789 abcdef").is_none());
    }
}
