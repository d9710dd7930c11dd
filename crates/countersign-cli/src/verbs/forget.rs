//! `countersign forget`

use countersign::MessageId;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::admin::AdminArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Output, complain, shown};

const EXAMPLE: &str = "\
Example:
  countersign forget gemini msg_2f7a --admin http://127.0.0.1:9901
  countersign forget gemini msg_2f7a --admin http://10.0.0.5:9901 --token-file admin.token

Exit code: 0 if the id is forgotten, 1 if the gateway did not do it, 2 for invalid arguments.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The name of the source in the gateway's configuration
    source: String,
    /// The id of the message (`webhook-id`)
    id: String,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let id = MessageId::parse(&args.id)
        .map_err(|error| Error::Argument { name: "ID", problem: format!("`{}`: {error}", shown(&args.id)) })?;
    let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let path = format!("/-/sources/{}/ids/{}", segment(&args.source), segment(id.as_str()));
    match args.admin.open()?.send(Method::DELETE, &path)? {
        Ok(_) if args.json => {
            out.print_json(&json!({ "source": args.source, "forgotten": id.as_str() }))?;
            Ok(Outcome::Done)
        }
        Ok(_) => {
            out.print(&format!("forgot {id}: its next delivery to `{}` is handled again\n", shown(&args.source)))?;
            Ok(Outcome::Done)
        }
        Err(problem) => {
            complain(&format!("{id} is not forgotten: {problem}"));
            Ok(Outcome::Rejected)
        }
    }
}
