//! Builds the issuer of assertions from the configuration.

use std::path::Path;
use std::sync::Arc;

use super::secrets;
use crate::assertion::{Issuer, SigningKey};
use crate::config::{AssertionSpec, KeyPath, Problem};

/// Reads the key that `spec` names. Without one, the generated key of the `previous` issuer stays in use.
pub(super) fn issuer(
    spec: &AssertionSpec,
    previous: Option<&Issuer>,
    folder: &Path,
    warnings: &mut Vec<Problem>,
) -> Result<Issuer, Problem> {
    let at = KeyPath::assertion();
    let key = if let Some(origin) = &spec.key {
        let at = at.key("key");
        let read = secrets::read_text(origin, folder);
        let (found, text) = read.map_err(|(message, shown)| Problem::at(&at, message).showing(shown))?;
        let key = SigningKey::from_pem(text.as_bytes());
        Arc::new(key.map_err(|why| Problem::at(&at, format!("{found}: {why}")).showing(found))?)
    } else {
        let message = "there is no `key`, so assertions are signed with a random one: backends can verify them only with the \
                       key set of this process, until it ends";
        warnings.push(Problem::at(&at, message));
        let kept = previous.filter(|issuer| issuer.is_generated).map(|issuer| Arc::clone(&issuer.key));
        let generated = || SigningKey::generate().map(Arc::new);
        let failed = || Problem::at(&at, "no key could be generated: name one with `key`");
        kept.or_else(generated).ok_or_else(failed)?
    };
    Ok(Issuer {
        key,
        is_generated: spec.key.is_none(),
        issuer: spec.issuer().to_owned(),
        audience: spec.audience().map(str::to_owned),
        lifetime: spec.lifetime,
    })
}
