//! What was looked at: each part of the request, in one line, and the keys.

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{MessageId, UnixTime};

use crate::case::Case;
use crate::secret_text::SecretText;
use crate::shown::shown;
use crate::time;
use crate::token::Token;

impl Case {
    /// The parts of the request and the keys, each with its name. It contains no secret.
    pub fn looked_at(&self) -> Vec<(&'static str, String)> {
        let present = |name, describe: &dyn Fn(&str) -> String| {
            let is_there = self.capture.headers.contains_key(name);
            if is_there { describe(&self.header(name)) } else { "missing".into() }
        };
        let id = |text: &str| match MessageId::parse(text) {
            Ok(id) => id.to_string(),
            Err(_) => format!("`{}`, which is not a valid id", shown(text)),
        };
        let timestamp = |text: &str| match text.parse() {
            Ok(secs) => time::described(secs, self.now),
            Err(_) => format!("`{}`, which is not a number", shown(text)),
        };
        let body = &self.capture.body;
        let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => "JSON",
            Err(_) if str::from_utf8(body).is_ok() => "text, not JSON",
            Err(_) => "not UTF-8",
        };
        let secrets = self.secrets.iter().map(|secret| describe_secret(secret, self.now));
        let labels = |scheme| self.trust.labels(scheme).map(move |label| format!("`{}` ({scheme})", shown(label)));
        let mut looked_at = vec![
            ("message id", present(&WEBHOOK_ID, &id)),
            ("timestamp", present(&WEBHOOK_TIMESTAMP, &timestamp)),
            ("signatures", present(&WEBHOOK_SIGNATURE, &signatures)),
            ("body", format!("{} bytes, {kind}", body.len())),
            ("secrets", secrets.collect::<Vec<_>>().join(", ")),
            ("public keys", labels("v1a").chain(labels("rs256")).collect::<Vec<_>>().join(", ")),
            ("audience", shown(&self.trust.audience.join(", "))),
        ];
        looked_at.retain(|(_, value)| !value.is_empty());
        looked_at
    }
}

fn signatures(header: &str) -> String {
    if let Some(token) = Token::read(header) {
        return token.summary();
    }
    let words: Vec<_> = header.split(' ').filter(|word| !word.is_empty()).collect();
    let forms = words.iter().map(|word| match word.split_once(',') {
        Some((version, encoded)) => format!("{} with {} characters", shown(version), encoded.len()),
        None => format!("{} characters without a version", word.len()),
    });
    format!("{}: {}", words.len(), forms.take(4).collect::<Vec<_>>().join("; "))
}

fn describe_secret(secret: &SecretText, now: UnixTime) -> String {
    let state = match secret.read() {
        Err(_) => " (unusable)",
        Ok(_) if secret.expires_at.is_some_and(|at| at <= now) => " (expired)",
        Ok(_) => "",
    };
    format!("`{}`{state}", secret.label)
}
