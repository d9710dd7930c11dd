//! `countersign reconcile`

use std::path::PathBuf;
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock as _, SystemClock};
use countersign_reconcile::{Api, BaseUrl, JobName, Report, Seen, SeenEvent, Terms, WebhookState};
use form_urlencoded::Serializer;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::admin::{Admin, AdminArgs};
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Output, complain, shown};
use crate::reconcile::Found;
use crate::{input, time};

/// The variable that the SDKs read.
const KEY_VARIABLE: &str = "GEMINI_API_KEY";
/// The value of --enable for all webhooks.
const ALL: &str = "all";
/// A delivery may have arrived before the end that the API reports, since clocks differ.
const SKEW: Duration = Duration::from_hours(1);
/// The most events that are read, a thousand at a time.
const MAX_PAGES: usize = 1000;

const EXAMPLE: &str = "\
Example: which jobs have ended without a webhook, and deliver events about them
  countersign reconcile --admin http://127.0.0.1:9901
  countersign reconcile --admin http://127.0.0.1:9901 --since 24h --enable all --hand-over

The API key is in the environment variable GEMINI_API_KEY, unless another place is given. The API
lists batches. It lists neither interactions nor videos: name them with --job or --jobs.

--hand-over needs [routes.reconcile] in the gateway. The gateway asks the API for each job itself,
and its backend gets an event with `countersign-verdict: polled`.

Exit code: 0 if nothing is missing or all of it is handed over, 1 if a job is missing, or the API or
the gateway did not respond, 2 for invalid arguments.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The environment variable that contains the API key
    #[arg(long, value_name = "NAME", default_value = KEY_VARIABLE)]
    api_key_env: String,
    /// The file that contains the API key; a newline at its end is ignored
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Where the API is, as in an SDK: https, or http to a loopback address
    #[arg(long, value_name = "URL", default_value_t, value_parser = clap::value_parser!(BaseUrl))]
    base_url: BaseUrl,
    /// Jobs that ended before this are ignored: how long ago, or Unix seconds, or RFC 3339. The gateway keeps deliveries
    /// for 7 days
    #[arg(long, value_name = "TIME", default_value = "3d", value_parser = parse_since)]
    since: UnixTime,
    /// How long after its end a job is missing, if nothing was delivered
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time::parse_duration)]
    grace: Duration,
    /// Also look at this job: `batches/ID`, `models/MODEL/operations/ID`, or the id of an interaction
    #[arg(long = "job", value_name = "NAME")]
    jobs: Vec<JobName>,
    /// Also look at the jobs in this file, one on each line
    #[arg(long = "jobs", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The source in the gateway's configuration. Default: all of them
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Enable this webhook, if the sender has disabled it because deliveries failed; `all` for each of them
    #[arg(long, value_name = "ID")]
    enable: Vec<String>,
    /// Let the gateway deliver events about the missing jobs, which it asks the API for
    #[arg(long)]
    hand_over: bool,
    /// The route whose backend gets the events, if several have [routes.reconcile]
    #[arg(long, value_name = "NAME", requires = "hand_over")]
    route: Option<String>,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let (api, jobs, admin) = (args.api()?, args.all_jobs()?, args.admin.open()?);
    let now = SystemClock.now();
    let terms = Terms { since: args.since, until: now.saturating_sub(args.grace) };
    if terms.until <= terms.since {
        let problem = "no job is looked at: it must be shorter than --since".to_owned();
        return Err(Error::Argument { name: "--grace", problem });
    }
    let seen = match args.seen(&admin)? {
        Ok(seen) => seen,
        Err(why) => return Ok(failed(&why)),
    };
    let report = match admin.block_on(countersign_reconcile::reconcile(&api, &seen, &jobs, terms)) {
        Ok(report) => report,
        Err(error) => return Ok(failed(&error.to_string())),
    };
    let (mut found, mut outcome) = (Found::new(&report), Outcome::Done);
    if let Err(why) = args.enable(&api, &admin, &report, &mut found) {
        outcome = failed(&why);
    }
    if args.hand_over {
        args.hand_over(&admin, &mut found)?;
    }
    if args.json {
        out.print_json(&found)?;
    } else {
        out.print(&found.to_string())?;
    }
    Ok(if found.is_incomplete() { Outcome::Rejected } else { outcome })
}

impl Args {
    fn api(&self) -> Result<Api, Error> {
        let line = input::line(self.api_key_file.as_deref(), Some(&self.api_key_env), "an API key")?;
        let (what, line) = line.ok_or_else(|| Error::Env(self.api_key_env.clone()))?;
        let key = HeaderValue::try_from(&*line);
        let key = key.map_err(|error| Error::Unusable { what, problem: error.to_string() })?;
        Ok(Api::new(self.admin.client()?, self.base_url.clone(), key))
    }

    /// The jobs that are named on the command line and in the file.
    fn all_jobs(&self) -> Result<Vec<JobName>, Error> {
        let mut jobs = self.jobs.clone();
        if let Some(file) = &self.file {
            let text = input::read(file, input::TEXT_LIMIT)?;
            for (index, line) in String::from_utf8_lossy(&text).lines().map(str::trim).enumerate() {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let what = format!("{}, line {}", input::name(file), index + 1);
                jobs.push(line.parse().map_err(|error| Error::Unusable { what, problem: format!("{error}") })?);
            }
        }
        Ok(jobs)
    }

    /// The events that the gateway's inbox has received.
    fn seen(&self, admin: &Admin) -> Result<Result<Seen, String>, Error> {
        let (mut seen, mut older_than) = (Seen::default(), None::<u64>);
        let from = self.since.saturating_sub(SKEW).as_secs().to_string();
        for _ in 0..MAX_PAGES {
            let mut query = Serializer::new(String::new());
            query.append_pair("received_from", &from).append_pair("limit", "1000");
            query.extend_pairs(self.source.iter().map(|source| ("source", source)));
            query.extend_pairs(older_than.map(|number| ("older_than", number.to_string())));
            let page: Page = match admin.send(Method::GET, &format!("/-/inbox/events?{}", query.finish()))? {
                Ok(body) => read(&body)?,
                Err(why) => return Ok(Err(why)),
            };
            for event in page.events {
                let received = time::parse(&event.received).unwrap_or_default();
                seen.record(&SeenEvent { event_type: event.name, id: event.id, received });
            }
            // Numbers decrease from page to page.
            match page.next.filter(|next| older_than.is_none_or(|older| *next < older)) {
                None => return Ok(Ok(seen)),
                next => older_than = next,
            }
        }
        Ok(Err("the inbox has received too many events: use a later --since".to_owned()))
    }

    /// Enables the webhooks that are named, if deliveries to them have failed.
    fn enable(&self, api: &Api, admin: &Admin, report: &Report, found: &mut Found) -> Result<(), String> {
        let unknown = self.enable.iter().find(|id| *id != ALL && !report.webhooks.iter().any(|one| one.id == **id));
        if let Some(id) = unknown {
            return Err(format!("--enable: the project has no webhook `{}`", shown(id)));
        }
        for (webhook, shown) in report.webhooks.iter().zip(&mut found.webhooks) {
            let is_named = self.enable.iter().any(|id| id == ALL || *id == webhook.id);
            if is_named && webhook.state == WebhookState::DisabledDueToFailedDeliveries {
                let enabled = admin.block_on(api.enable(webhook));
                enabled.map_err(|error| format!("the webhook `{}` is not enabled: {error}", webhook.id))?;
                shown.enabled_now = true;
            }
        }
        Ok(())
    }

    fn hand_over(&self, admin: &Admin, found: &mut Found) -> Result<(), Error> {
        for missing in found.missing.iter_mut().filter(|one| one.event_type.is_some()) {
            let mut query = Serializer::new(String::new());
            query.append_pair("job", &missing.job);
            query.extend_pairs(self.route.iter().map(|route| ("route", route)));
            match admin.send(Method::POST, &format!("/-/reconcile/hand-over?{}", query.finish()))? {
                Ok(_) => missing.handed_over = true,
                Err(why) => missing.problem = Some(why),
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    name: String,
    id: String,
    received: String,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = format!("{error}: is --admin the admin listener of a countersign gateway?");
        Error::Unusable { what: "the gateway's response".to_owned(), problem }
    })
}

fn failed(why: &str) -> Outcome {
    complain(&shown(why));
    Outcome::Rejected
}

/// How long ago, or a time.
fn parse_since(text: &str) -> Result<UnixTime, String> {
    match time::parse_duration(text) {
        Ok(duration) => Ok(SystemClock.now().saturating_sub(duration)),
        Err(_) => {
            time::parse(text).map_err(|_| "write how long ago, like 24h, or a time like 2026-09-29T06:05:46Z".into())
        }
    }
}
