//! The event types that are known.

/// The documented event types. More may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// `batch.succeeded`, or `batch.completed`, as some of the documentation calls it.
    BatchSucceeded,
    /// `batch.cancelled`
    BatchCancelled,
    /// `batch.expired`
    BatchExpired,
    /// `batch.failed`
    BatchFailed,
    /// `interaction.requires_action`
    InteractionRequiresAction,
    /// `interaction.completed`
    InteractionCompleted,
    /// `interaction.cancelled`
    InteractionCancelled,
    /// `interaction.failed`
    InteractionFailed,
    /// `video.generated`
    VideoGenerated,
    /// Any other type. [`Event::event_type`](super::Event::event_type) has its name.
    Unknown,
}

impl EventKind {
    /// All kinds except [`Unknown`](Self::Unknown).
    pub const KNOWN: &'static [Self] = &[
        Self::BatchSucceeded,
        Self::BatchCancelled,
        Self::BatchExpired,
        Self::BatchFailed,
        Self::InteractionRequiresAction,
        Self::InteractionCompleted,
        Self::InteractionCancelled,
        Self::InteractionFailed,
        Self::VideoGenerated,
    ];

    /// The `type` of this kind, or `None` for [`Unknown`](Self::Unknown).
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BatchSucceeded => "batch.succeeded",
            Self::BatchCancelled => "batch.cancelled",
            Self::BatchExpired => "batch.expired",
            Self::BatchFailed => "batch.failed",
            Self::InteractionRequiresAction => "interaction.requires_action",
            Self::InteractionCompleted => "interaction.completed",
            Self::InteractionCancelled => "interaction.cancelled",
            Self::InteractionFailed => "interaction.failed",
            Self::VideoGenerated => "video.generated",
            Self::Unknown => return None,
        })
    }

    /// The kind of this `type`.
    pub fn from_name(name: &str) -> Self {
        let known = Self::KNOWN.iter().copied().find(|kind| kind.name() == Some(name));
        match name {
            "batch.completed" => Self::BatchSucceeded,
            _ => known.unwrap_or(Self::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_kind_has_a_name_that_leads_back_to_it() {
        for kind in EventKind::KNOWN {
            assert_eq!(EventKind::from_name(kind.name().expect("known")), *kind);
        }
    }
}
