//! `countersign listen`

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use countersign::verifier::DEFAULT_TOLERANCE;
use countersign_explain::Setup;
use http::Uri;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::exit::Outcome;
use crate::keys::KeyArgs;
use crate::listen::{Desk, Folder, Form, Forward, Keys, Receiver, Saving, Task, When, serve};
use crate::network::{self, NetworkArgs};
use crate::output::Output;
use crate::secrets::{OtherSecretArgs, SecretArgs};
use crate::{input, post, secrets, signals, time};

/// How many requests wait to be shown. More than these are received, but not shown.
const MAX_WAITING: usize = 8;
/// The largest body limit, in bytes.
const MAX_BODY_LIMIT: u64 = 16 << 20;
/// The largest response of an application, in bytes.
const MAX_RESPONSE: usize = 16 << 20;
/// How long an application may take to respond.
const FORWARD_TIMEOUT: Duration = Duration::from_mins(1);

const EXAMPLE: &str = "\
Example: receive webhooks through a tunnel, and forward them to an application
  countersign listen --secret-file webhook.secret --forward http://127.0.0.1:3000

A request that verifies gets 200, or the response of the application. Any other request gets 401
and is explained at once, as by `countersign explain`. Rejected requests are not forwarded.

The last 100 requests are kept in memory. To save one as a capture, type its number and Enter;
`list` lists them. In the background, redirect stdin: `countersign listen … < /dev/null &`.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    others: OtherSecretArgs,
    /// How far the timestamp of a request may be off
    #[arg(long, value_name = "TIME", default_value_t = DEFAULT_TOLERANCE.into(), value_parser = parse_tolerance)]
    tolerance: humantime::Duration,
    /// Forward verified requests to this address, below its path, and return its responses. No proxy is used
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    forward: Option<Uri>,
    /// The largest body, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MAX_BODY_LIMIT))]
    body_limit: u64,
    /// Which requests to save as they arrive
    #[arg(long, value_name = "WHICH", default_value = "none")]
    save: Saving,
    /// The folder for saved requests
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    save_dir: PathBuf,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Print a JSON object for each request, on one line, instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let files = || args.secrets.files().chain(args.keys.files()).chain(args.others.files()).chain(args.network.files());
    input::stdin_once(files())?;
    if !args.save_dir.is_dir() {
        let problem = format!("{} is not a folder: create it", args.save_dir.display());
        return Err(Error::Argument { name: "--save-dir", problem });
    }
    let secrets = args.secrets.texts()?;
    // `listen` verifies, so all of them must be valid.
    secrets::usable(&secrets)?;
    let setup = Setup {
        secrets,
        trust: args.keys.trust(&args.network)?,
        names: args.secrets.preset().names(),
        tolerance: args.tolerance.into(),
    };
    let keys =
        Keys { verifier: setup.verifier().map_err(Error::Verifier)?, setup, other_secrets: args.others.texts()? };
    let desk = Desk {
        keys: keys.clone(),
        form: if args.json { Form::Json } else { Form::text(args.color) },
        folder: Folder(args.save_dir.clone()),
        saving: args.save,
    };
    network::runtime()?.block_on(async {
        // Installed before the start is reported, so that a signal right after it is not missed.
        let stop_signal = signals::stop()?;
        let fail = |error| Error::Listen { address: args.listen, error };
        let listener = TcpListener::bind(args.listen).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let forward = args.forward.clone().map(|base| forward(args, base, address)).transpose()?;
        introduce(args, address, out)?;

        let (tasks, waiting) = mpsc::sync_channel(MAX_WAITING);
        let is_stdin_free = files().all(|path| !input::is_stdin(path));
        if is_stdin_free && !args.json {
            read_lines(tasks.clone());
        }
        let working = thread::spawn(move || desk.work(&waiting, &mut Output::stdout()));
        let body_limit = usize::try_from(args.body_limit).unwrap_or(usize::MAX);
        let receiver = Receiver { keys, body_limit, forward, desk: tasks.clone(), missed: AtomicU64::new(0) };
        tokio::select! {
            () = serve(listener, receiver) => {}
            () = stop_signal => {}
        }
        // If the desk has ended, it has an error to return.
        let _ = tasks.send(Task::Stop);
        working.join().unwrap_or(Ok(()))?;
        Ok(Outcome::Done)
    })
}

fn forward(args: &Args, base: Uri, listening: SocketAddr) -> Result<Forward, Error> {
    let client = args.network.client()?.proxy(None).timeout(FORWARD_TIMEOUT).max_body(MAX_RESPONSE);
    Forward::new(client.build(), base, listening).map_err(|problem| Error::Argument { name: "--forward", problem })
}

fn introduce(args: &Args, address: SocketAddr, out: &mut Output) -> Result<(), Error> {
    // JSON is for programs, which read nothing else on stdout.
    if args.json {
        crate::output::complain(&format_args!("listening on {address}"));
        return Ok(());
    }
    let forward = args.forward.as_ref().map(|base| format!("forwarding verified requests to {base}\n"));
    out.print(&format!("listening on {address}\n{}\n", forward.unwrap_or_default()))
}

/// Passes on what the user types. The thread ends with the process, because nothing can interrupt it.
fn read_lines(tasks: SyncSender<Task>) {
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tasks.send(Task::Typed(line)).is_err() {
                break;
            }
        }
    });
}

fn parse_url(text: &str) -> Result<Uri, String> {
    post::parse_url(text).map_err(|error| error.to_string())
}

fn parse_tolerance(text: &str) -> Result<humantime::Duration, String> {
    time::parse_duration(text).map(Into::into)
}
