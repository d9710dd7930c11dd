//! `countersign inbox`

use clap::Subcommand;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::admin::{Admin, AdminArgs};
use crate::error::Error;
use crate::exit::Outcome;
use crate::inbox::{Destinations, FilterArgs, Page, Shown, table};
use crate::output::{Output, complain, shown};

const LIST: &str = "/-/inbox/deliveries";
const DESTINATIONS: &str = "/-/inbox/destinations";

const EXAMPLE: &str = "\
Example: which deliveries failed, why, and send them again
  countersign inbox list --state dead --admin http://127.0.0.1:9901
  countersign inbox show 17 --admin http://127.0.0.1:9901
  countersign inbox redeliver --all --destination /gemini --admin http://127.0.0.1:9901
  countersign inbox discard 17 --admin http://127.0.0.1:9901
  countersign inbox pause /gemini --admin http://127.0.0.1:9901

Exit code: 0 if it is done, 1 if the gateway did not do it, 2 for invalid arguments.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: InboxVerb,
}

#[derive(Debug, Subcommand)]
enum InboxVerb {
    /// Lists deliveries, newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// The maximum number of deliveries
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// List deliveries older than this one, for example after the last one of a list
        #[arg(long, value_name = "NUMBER")]
        older_than: Option<u64>,
        /// Print a JSON object instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Shows a delivery with the headers of its message, and the body if the gateway allows it (`inbox_bodies`)
    Show {
        /// The number of the delivery
        number: u64,
        /// Print a JSON object instead of text
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Delivers messages again: those with these numbers, or --all that match
    Redeliver {
        /// The numbers of the deliveries
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        numbers: Vec<u64>,
        /// All deliveries that match the options: dead letters, unless --state is given
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: FilterArgs,
        /// Print a JSON object instead of text
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Removes deliveries: those with these numbers, or --all that match. Their ids are still remembered
    Discard {
        /// The numbers of the deliveries
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        numbers: Vec<u64>,
        /// All deliveries that match the options: dead letters, unless --state is given
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: FilterArgs,
        /// Print a JSON object instead of text
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Lists the destinations, with the deliveries of each that are not done
    Destinations {
        /// Print a JSON object instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Stops new attempts to a destination, until it is resumed. Messages are still stored
    Pause(SwitchArgs),
    /// Starts attempts to a paused destination again
    Resume(SwitchArgs),
}

#[derive(clap::Args, Debug)]
struct SwitchArgs {
    /// The name of the destination
    destination: String,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    match &args.verb {
        InboxVerb::List { filter, limit, older_than, json, admin } => {
            let query = filter.query(*limit, *older_than);
            let page = match get(&admin.open()?, &format!("{LIST}?{query}"))? {
                Ok(page) => page,
                Err(why) => return Ok(refused(&why)),
            };
            if *json {
                out.print_json(&page)?;
            } else {
                out.print(&table(&read::<Page>(page)?))?;
            }
            Ok(Outcome::Done)
        }
        InboxVerb::Show { number, json, admin } => {
            let found = match get(&admin.open()?, &format!("{LIST}/{number}"))? {
                Ok(found) => found,
                Err(why) => return Ok(refused(&why)),
            };
            if *json {
                out.print_json(&found)?;
            } else {
                out.print(&read::<Shown>(found)?.to_string())?;
            }
            Ok(Outcome::Done)
        }
        InboxVerb::Redeliver { all: true, filter, json, admin, .. } => {
            all(&admin.open()?, filter, "redeliver", ("redelivered", *json), out)
        }
        InboxVerb::Discard { all: true, filter, json, admin, .. } => {
            all(&admin.open()?, filter, "discard", ("discarded", *json), out)
        }
        InboxVerb::Redeliver { numbers, json, admin, .. } => {
            let path = |number| format!("{LIST}/{number}/redeliver");
            each(&admin.open()?, &Method::POST, numbers, path, ("redelivered", *json), out)
        }
        InboxVerb::Discard { numbers, json, admin, .. } => {
            let path = |number| format!("{LIST}/{number}");
            each(&admin.open()?, &Method::DELETE, numbers, path, ("discarded", *json), out)
        }
        InboxVerb::Destinations { json, admin } => {
            let found = match get(&admin.open()?, DESTINATIONS)? {
                Ok(found) => found,
                Err(why) => return Ok(refused(&why)),
            };
            if *json {
                out.print_json(&found)?;
            } else {
                out.print(&read::<Destinations>(found)?.to_string())?;
            }
            Ok(Outcome::Done)
        }
        InboxVerb::Pause(args) => switch(args, "pause", out),
        InboxVerb::Resume(args) => switch(args, "resume", out),
    }
}

/// Pauses or resumes a destination.
fn switch(args: &SwitchArgs, verb: &str, out: &mut Output) -> Result<Outcome, Error> {
    let SwitchArgs { destination, json, admin } = args;
    let name = utf8_percent_encode(destination, NON_ALPHANUMERIC);
    match admin.open()?.send(Method::POST, &format!("{DESTINATIONS}/{name}/{verb}"))? {
        Ok(body) if *json => out.print_json(&parse(&body)?)?,
        Ok(_) => out.print(&format!("{verb}d: {}\n", shown(destination)))?,
        Err(why) => return Ok(refused(&why)),
    }
    Ok(Outcome::Done)
}

/// Sends a command for each delivery, and goes on after one that the gateway did not carry out.
fn each(
    admin: &Admin,
    method: &Method,
    numbers: &[u64],
    path: impl Fn(u64) -> String,
    (done, json): (&str, bool),
    out: &mut Output,
) -> Result<Outcome, Error> {
    let (mut count, mut outcome) = (0, Outcome::Done);
    for number in numbers {
        match admin.send(method.clone(), &path(*number))? {
            Ok(_) => count += 1,
            Err(why) => outcome = refused(&format!("delivery {number}: {why}")),
        }
    }
    report(done, count, json, out)?;
    Ok(outcome)
}

/// Repeats the command for each page.
fn all(
    admin: &Admin,
    filter: &FilterArgs,
    verb: &str,
    (done, json): (&str, bool),
    out: &mut Output,
) -> Result<Outcome, Error> {
    let (mut count, mut next, mut outcome) = (0, None, Outcome::Done);
    loop {
        let path = format!("/-/inbox/{verb}?{}", filter.query(1000, next));
        match admin.send(Method::POST, &path)? {
            Ok(body) => {
                let page = parse(&body)?;
                let number = |name| page.get(name).and_then(Value::as_u64);
                count += number(done).unwrap_or_default();
                // Numbers decrease from page to page.
                let older = number("next").filter(|older| next.is_none_or(|next| *older < next));
                if older.is_none() {
                    break;
                }
                next = older;
            }
            Err(why) => {
                outcome = refused(&why);
                break;
            }
        }
    }
    report(done, count, json, out)?;
    Ok(outcome)
}

fn report(done: &str, count: u64, json: bool, out: &mut Output) -> Result<(), Error> {
    if json { out.print_json(&json!({ done: count })) } else { out.print(&format!("{done}: {count}\n")) }
}

fn get(admin: &Admin, path: &str) -> Result<Result<Value, String>, Error> {
    admin.send(Method::GET, path)?.map_or_else(|why| Ok(Err(why)), |body| parse(&body).map(Ok))
}

fn parse(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

fn read<T: DeserializeOwned>(document: Value) -> Result<T, Error> {
    serde_json::from_value(document).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Error {
    let problem = format!("{error}: is --admin the admin listener of a countersign gateway?");
    Error::Unusable { what: "the gateway's response".to_owned(), problem }
}

fn refused(why: &str) -> Outcome {
    complain(&shown(why));
    Outcome::Rejected
}
