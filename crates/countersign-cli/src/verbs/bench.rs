//! `countersign bench`

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock as _, SystemClock};
use tokio::runtime::Builder;

use super::send::parse_rate;
use crate::bench::{Load, Pace, Progress, Summary};
use crate::delivery::ContentArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::post::Endpoint;
use crate::signing::SigningArgs;
use crate::{input, random, signals, time};

/// How often the progress is shown.
const STEP: Duration = Duration::from_millis(500);
/// The duration of a run without --duration and --requests.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

const EXAMPLE: &str = "\
Example: how many deliveries an endpoint verifies, and how long it takes at 500 per second
  countersign bench http://127.0.0.1:8080/gemini --secret-file webhook.secret --event batch.succeeded
  countersign bench http://127.0.0.1:8080/gemini --secret-file webhook.secret --event batch.succeeded \\
    --rate 500 --concurrency 64 --duration 30s --json

Every request has its own message id, timestamp and signature. Without --rate, a request is sent as
soon as another one is answered. With --rate, requests are due at fixed times, and latencies count
from these times: if the endpoint is too slow, the waiting is part of the latency.

SIGINT (Ctrl-C) ends a run early and prints its summary.

Exit code: 0 if every response was 2xx, 1 if not, 2 if nothing could be sent.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The http or https URL to post to. Load only what is yours
    url: String,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    content: ContentArgs,
    /// The most requests at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Send this many requests per second [default: as many as are answered]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: Option<f64>,
    /// How long to send [default: 10s, or until --requests are sent]
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    duration: Option<Duration>,
    /// How many requests to send [default: as many as fit into --duration]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// How long to wait for a response
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time::parse_duration)]
    timeout: Duration,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(args.signing.files().chain(args.content.files()).chain(args.network.files()))?;
    let client = args.network.client()?.timeout(args.timeout).connect_timeout(args.timeout);
    let endpoint = Endpoint::new(&args.url, client.max_idle_connections(args.concurrency.into()).build())?;
    let signing = args.signing.load()?;
    let content = args.content.load(SystemClock.now())?;
    // Deliveries that cannot be signed are a usage error.
    signing.sign(&random::message_id()?, SystemClock.now(), &content.body)?;
    let duration = args.duration.or(args.requests.is_none().then_some(DEFAULT_DURATION));
    let pace = Pace { rate: args.rate, duration, requests: args.requests };
    let load = Load { pace, concurrency: args.concurrency.into() };

    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let run = runtime.block_on(async {
        let stop_signal = signals::stop()?;
        let progress = Progress::start(SystemClock);
        let (shown, stopped) = (Arc::clone(&progress), Arc::clone(&progress));
        let watching = tokio::spawn(async move { watch(&shown, pace).await });
        let stopping = tokio::spawn(async move {
            stop_signal.await;
            stopped.stop();
        });
        let sending = Arc::new((endpoint, signing, content));
        let send = move || {
            let sending = Arc::clone(&sending);
            async move {
                let (endpoint, signing, content) = &*sending;
                let id = random::message_id().map_err(|error| error.to_string())?;
                content.post(endpoint, signing, &id, SystemClock.now()).await
            }
        };
        let run = load.run(&progress, send).await;
        watching.abort();
        stopping.abort();
        Ok::<_, Error>(run)
    })?;
    if std::io::stderr().is_terminal() {
        show(&format!("{:<79}\r", ""));
    }
    let summary = Summary { url: &args.url, load, counts: &run.counts, elapsed: run.elapsed };
    if args.json {
        out.print_json(&summary.to_json())?;
    } else {
        out.print(&summary.to_text())?;
    }
    Ok(if summary.is_success() { Outcome::Done } else { Outcome::Rejected })
}

/// Shows a bar on a terminal.
async fn watch(progress: &Progress, pace: Pace) {
    const WIDTH: usize = 30;
    if !std::io::stderr().is_terminal() {
        return;
    }
    loop {
        tokio::time::sleep(STEP).await;
        let (done, elapsed) = (progress.done(), progress.elapsed());
        let percent = pace.percent(done, elapsed);
        let filled = percent * WIDTH / 100;
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
        let line = format!("[{bar}] {percent:>3} %  {done} requests, {} s", elapsed.as_secs());
        show(&format!("{line:<79}\r"));
    }
}

/// Progress that cannot be shown changes nothing.
fn show(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
