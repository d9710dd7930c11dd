//! The options that select deliveries.

use clap::{Args, ValueEnum};
use form_urlencoded::Serializer;

/// The deliveries that match all options.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "Deliveries")]
pub(crate) struct FilterArgs {
    /// Only deliveries in this state
    #[arg(long)]
    state: Option<State>,
    /// Only messages of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only deliveries to this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Only messages of this event type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only the message with this id (`webhook-id`)
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only messages received at this time or later: Unix seconds, or RFC 3339 like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    received_from: Option<String>,
    /// Only messages received before this time
    #[arg(long, value_name = "TIME")]
    received_before: Option<String>,
}

/// The states of the gateway's commands.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Waiting,
    Leased,
    Done,
    Dead,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

impl FilterArgs {
    /// The query of a command: these options, and the page.
    pub(crate) fn query(&self, limit: u16, older_than: Option<u64>) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("state", self.state.map(State::as_str)),
            ("source", self.source.as_deref()),
            ("destination", self.destination.as_deref()),
            ("type", self.event_type.as_deref()),
            ("id", self.id.as_deref()),
            ("received_from", self.received_from.as_deref()),
            ("received_before", self.received_before.as_deref()),
            ("limit", Some(&*limit.to_string())),
            ("older_than", older_than.map(|number| number.to_string()).as_deref()),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}
