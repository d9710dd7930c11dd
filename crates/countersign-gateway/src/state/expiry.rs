//! The expiry of the certificates that the gateway presents.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;

use crate::config::{KeyPath, Problem};

/// How long before its expiry a certificate causes a warning.
const SOON: Duration = Duration::from_hours(14 * 24);
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// When the certificates of a file expire.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// The key of the configuration that names the file.
    pub(super) at: KeyPath,
    /// The file, as messages show it.
    pub file: String,
    /// When the first of its certificates expires.
    pub expires_at: UnixTime,
}

impl Expiry {
    /// A warning, if a certificate has expired or expires within 14 days.
    pub fn warning(&self, now: UnixTime) -> Option<String> {
        let Self { file, expires_at, .. } = self;
        if *expires_at > now.saturating_add(SOON) {
            return None;
        }
        let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(expires_at.as_secs()));
        let left = expires_at.as_secs().saturating_sub(now.as_secs());
        let what = match left {
            0 => format!("has a certificate that expired at {date}, which other programs reject"),
            left if left < 2 * DAY => format!("has a certificate that expires in {} hours, at {date}", left / HOUR),
            left => format!("has a certificate that expires in {} days, at {date}", left / DAY),
        };
        Some(format!("{file} {what}: renew it, and reload"))
    }

    /// The same, with the line of the configuration.
    pub(super) fn problem(&self, now: UnixTime) -> Option<Problem> {
        self.warning(now).map(|warning| Problem::at(&self.at, warning).showing(self.file.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_from_14_days_before_its_expiry() {
        let expires_at = UnixTime::from_secs(1_800_000_000);
        let expiry = Expiry { at: KeyPath::server(), file: "/etc/site.pem".into(), expires_at };
        let warning = |left: i64| expiry.warning(UnixTime::from_secs(1_800_000_000_u64.saturating_add_signed(-left)));
        assert_eq!(warning(14 * 86_400 + 1), None);
        for (left, words) in [
            (14 * 86_400, "expires in 14 days, at 2027-01-15T08:00:00Z"),
            (2 * 86_400, "expires in 2 days, "),
            (2 * 86_400 - 1, "expires in 47 hours, "),
            (1, "expires in 0 hours, "),
            (0, "expired at 2027-01-15T08:00:00Z"),
            (-86_400, "expired at 2027-01-15T08:00:00Z"),
        ] {
            let warning = warning(left).unwrap();
            assert!(
                warning.starts_with("/etc/site.pem has a certificate that ") && warning.contains(words),
                "{warning}"
            );
        }
    }
}
