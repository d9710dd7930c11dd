//! `countersign emulate`

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use countersign_emulator::{AttemptReport, Config, Dynamic, Emulator, Faults, Quirk};
use countersign_senders::Sender;
use http::Uri;
use tokio::runtime::Builder;

use crate::emulated;
use crate::error::Error;
use crate::exit::Outcome;
use crate::network::NetworkArgs;
use crate::output::{self, Output};
use crate::post;
use crate::preset;
use crate::progress::Progress;
use crate::{signals, time};

const EXAMPLE: &str = "\
Example: try a handler that listens on port 3000
  countersign emulate --webhook http://127.0.0.1:3000/gemini --seed 7
  curl http://127.0.0.1:8790/_emulator/events:emit -d '{\"type\":\"batch.succeeded\"}'

Configure it as the base URL of an SDK, with any API key. The text of a request decides how its
job ends: `[[fail]]`, `[[expire]]` (batches), `[[incomplete]]`, `[[exceed_budget]]` or the name of a
declared tool (interactions: requires_action).

Another sender: its headers, secrets, typical event and retries, for example
  countersign emulate --preset svix --webhook http://127.0.0.1:3000/svix
  curl http://127.0.0.1:8790/_emulator/events:emit -d '{}'

The results of batches and videos can be downloaded: `files.download` of the SDKs, or curl -L with
the API key. Clients of Cloud Storage find `gs://` addresses with STORAGE_EMULATOR_HOST set to the
base URL.

Faults, as `fault=3` (the next three) or `fault=10%`:
  of an attempt: tampered_body reserialized_body stale_timestamp wrong_key
  of an event:   duplicate reordered burst unknown_event_type

Quirks of the real service, which its documentation does not describe:
  reject_batch_user_metadata   a batch with `user_metadata` in its `webhook_config` is rejected
  empty_times                  webhooks that are listed or fetched have no times
  prefixed_ids                 ids of batches begin with `batches/batch_`

Inspection and control, all JSON:
  GET  /_emulator  /_emulator/deliveries[/ID]  /_emulator/jobs  /_emulator/clock  /_emulator/faults
  POST /_emulator/events:emit     {\"type\": …}, and count, data, user_metadata, uris
  POST /_emulator/faults          {\"wrong_key\": 3, \"duplicate\": \"10%\"}
  POST /_emulator/clock:advance   {\"by\": \"3h\"}
  POST /_emulator/keys:rotate     /_emulator/deliveries/ID:redeliver
  POST /_emulator/jobs/PROJECT/NAME:VERB    complete, fail, cancel, expire, require_action,
                                             leave_incomplete or exceed_budget";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The sender to emulate: its header names, secrets, typical event and retries [default: gemini]
    #[arg(long, value_name = "SENDER", value_parser = preset::sender())]
    preset: Option<&'static Sender>,
    /// The address that the API listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Let other machines reach it: they can make it send requests to any address
    #[arg(long)]
    danger_listen_beyond_loopback: bool,
    /// Register this address for all events, in the project of the API key `emulator`
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    webhook: Vec<Uri>,
    /// The seed of ids, secrets, Ed25519 keys and faults: the same seed gives the same ones [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The speed of emulated time: with 3600, a day takes 24 seconds
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    time_scale: f64,
    /// How long a job takes, in emulated time
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time::parse_duration)]
    job_time: Duration,
    /// How dynamic webhooks are signed: as seen on the wire (v1a), or as documented (rs256)
    #[arg(long, value_name = "SCHEME", default_value = "v1a")]
    dynamic: DynamicScheme,
    /// The audience of tokens [default: the address of each delivery]
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// The faults at the start, for example `tampered_body=10%,duplicate=3`
    #[arg(long, value_name = "FAULTS", default_value = "", hide_default_value = true)]
    faults: Faults,
    /// Behave as the real service was seen to, for example `empty_times,prefixed_ids`
    #[arg(long, value_name = "QUIRKS", value_delimiter = ',')]
    quirks: Vec<Quirk>,
    /// Disable a webhook after this many given-up deliveries in a row
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    disable_after: u32,
    /// The most attempts at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Print the retry schedule, and exit
    #[arg(long)]
    print_schedule: bool,
    /// Print JSON instead of text: an object on one line for the start, and one for each attempt
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DynamicScheme {
    V1a,
    Rs256,
}

pub(crate) fn run(args: Args, out: &mut Output) -> Result<Outcome, Error> {
    let defaults = args.preset.map_or_else(Config::default, Config::of);
    if args.print_schedule {
        if args.json {
            out.print_json(&emulated::schedule(&defaults.schedule))?;
        } else {
            out.print(&format!("{}\n", defaults.schedule))?;
        }
        return Ok(Outcome::Done);
    }
    let is_json = args.json;
    let config = Config {
        listen: args.listen,
        danger_listen_beyond_loopback: args.danger_listen_beyond_loopback,
        seed: args.seed,
        time_scale: args.time_scale,
        job_time: args.job_time,
        dynamic: match args.dynamic {
            DynamicScheme::V1a => Dynamic::V1a,
            DynamicScheme::Rs256 => Dynamic::Rs256,
        },
        audience: args.audience,
        faults: args.faults,
        quirks: args.quirks.into_iter().collect(),
        webhooks: args.webhook,
        client: args.network.client()?,
        disable_after: args.disable_after,
        concurrency: args.concurrency.into(),
        ..defaults
    };
    let (scale, sender) = (config.time_scale, config.sender);
    Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?.block_on(async {
        // Installed before the start is reported, so that a signal right after it is not missed.
        let stop_signal = signals::stop()?;
        let lines = Mutex::new((Output::stdout(), Progress::new(std::io::stdout().is_terminal())));
        let observer = Arc::new(move |report: &AttemptReport| {
            let (out, progress) = &mut *lines.lock().unwrap_or_else(PoisonError::into_inner);
            // The emulator goes on if its log cannot be written.
            let text = if is_json { emulated::attempt(report) } else { progress.after(report) };
            if let Err(error) = out.print(&text) {
                output::complain(&error);
            }
        });
        let emulator = Emulator::start(config, Some(observer)).await.map_err(Error::Emulator)?;
        let started =
            || if is_json { emulated::start(&emulator, sender) } else { introduction(&emulator, sender, scale) };
        out.print(&started())?;
        stop_signal.await;
        emulator.stop().await;
        Ok(Outcome::Done)
    })
}

fn introduction(emulator: &Emulator, sender: &Sender, scale: f64) -> String {
    let (base, seed) = (emulator.base_url(), emulator.seed());
    let mut text = format!(
        "An emulator of the sending side of {}. Its keys and secrets are for testing only.\n\
         \x20 base URL  {base} (each API key has its own project)\n\
         \x20 JWKS      {}\n\
         \x20 seed      {seed}\n",
        if sender.name == "gemini" { "Gemini API webhooks".into() } else { format!("`{}` webhooks", sender.name) },
        emulator.jwks_url(),
    );
    if (scale - 1.0).abs() > f64::EPSILON {
        let day = Duration::try_from_secs_f64(86_400.0 / scale).unwrap_or(Duration::MAX);
        let day = Duration::from_millis(u64::try_from(day.as_millis()).unwrap_or(u64::MAX));
        let _ = writeln!(
            text,
            "  time      {scale} times as fast as real time: a day takes {}",
            humantime::format_duration(day)
        );
    }
    for (uri, secret) in emulator.webhooks() {
        // The secret is alone on its line, easy to copy.
        let _ = writeln!(text, "  webhook   {uri}, of the API key `{}`\n  secret    {secret}", Config::API_KEY);
    }
    let _ = writeln!(
        text,
        "  emit      curl {base}/_emulator/events:emit -d '{{\"type\":\"{}\"}}'",
        sender.example.event_type
    );
    let _ =
        writeln!(text, "  look      {} in a browser, or curl {base}/_emulator/deliveries", emulator.inspector_url());
    text
}

fn parse_url(text: &str) -> Result<Uri, String> {
    post::parse_url(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_webhook_stands_alone_on_its_line() {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            webhooks: vec![Uri::from_static("http://127.0.0.1:3000/gemini")],
            ..Config::default()
        };
        let config_sender = config.sender;
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (text, secret) = runtime.block_on(async {
            let emulator = Emulator::start(config, None).await.expect("an emulator");
            let secret = emulator.webhooks().next().expect("a webhook").1.to_owned();
            let text = introduction(&emulator, config_sender, 1.0);
            emulator.stop().await;
            (text, secret)
        });
        assert!(text.contains(&format!("\n  secret    {secret}\n")), "{text}");
        assert!(text.contains("for testing"), "{text}");
    }
}
