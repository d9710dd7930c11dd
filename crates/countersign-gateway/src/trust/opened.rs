//! Headers that routes open.

use http::HeaderName;

use super::folded::{Folded, read_alike};
use super::known::{is_untrusted, is_vouching, misspelled};
use super::names::{CONTENT, FORWARDED, FRAMING, HOP_BY_HOP, SIGNED};

/// Headers that a route forwards although they steer a backend, because a proxy in front of the gateway sets them.
///
/// Only the opened spelling passes. A client header that reads like it is removed, because the proxy in front
/// does not overwrite it, and a backend could read it as the opened one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened(Vec<HeaderName>);

impl Opened {
    /// Opens this header. `Ok(false)` means that it is forwarded even without being opened, and only its other
    /// spellings are removed.
    ///
    /// # Errors
    ///
    /// The text is not the name of one header, no client may set that header, or the name reads like another one.
    pub fn open(&mut self, text: &str) -> Result<bool, String> {
        let name = HeaderName::from_bytes(text.as_bytes())
            .ok()
            .filter(|name| !name.as_str().contains(['*', '%']) && name.as_str().contains(char::is_alphanumeric))
            .ok_or_else(|| format!("`{text}` is not the name of one header, like \"x-real-ip\""))?;
        let folded = Folded::of(name.as_str());
        if is_vouching(&folded) {
            return Err(format!("`{text}` is the gateway's own: no client may set `countersign-*` headers"));
        }
        for (kind, names) in [
            ("signed: it is always forwarded as it was verified", &SIGNED[..]),
            ("part of the request's framing, which the gateway writes itself", &FRAMING),
            ("for one connection only and is never forwarded", &HOP_BY_HOP),
        ] {
            if names.iter().any(|known| folded.is(known)) {
                return Err(format!("`{text}` is {kind}; remove it from `forward_headers`"));
            }
        }
        let steers = is_untrusted(&name);
        let exact = CONTENT.iter().chain(&FORWARDED).find(|known| folded.is(known) && **known != name);
        let known = exact.map(ToString::to_string).or_else(|| steers.then(|| misspelled(&name)).flatten());
        if let Some(known) = known {
            return Err(format!(
                "`{text}` is another spelling of `{known}`, which a backend could mistake for it; open the name that \
                 the proxy in front sets"
            ));
        }
        if let Some(other) = self.0.iter().find(|other| read_alike(other.as_str(), name.as_str())) {
            return Err(if *other == name {
                format!("`{text}` is listed twice in `forward_headers`; remove one")
            } else {
                format!("a backend could mistake `{text}` for `{other}`; open the one that the proxy in front sets")
            });
        }
        self.0.push(name);
        Ok(steers)
    }

    /// The opened headers that are forwarded anyway, with their positions.
    pub fn needless(&self) -> impl Iterator<Item = (usize, &HeaderName)> {
        self.0.iter().enumerate().filter(|(_, name)| !is_untrusted(name))
    }

    pub(super) fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }

    /// Whether a backend could read this header, which is not opened, as an opened one.
    pub(super) fn resembles(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|opened| read_alike(opened.as_str(), name.as_str()))
    }
}
