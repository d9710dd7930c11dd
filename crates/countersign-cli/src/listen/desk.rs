//! Explains, shows and saves requests, one after the other.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use clap::ValueEnum;

use super::history::History;
use super::received::{Keys, Problem, Received};
use super::save::Folder;
use super::show::{self, Form};
use crate::error::Error;
use crate::output::{self, Output};
use crate::report::Report;
use crate::verdict;

const HELP: &str = "type the number of a request and Enter to save it, or `list` to list them\n";

/// What the desk is asked to do.
pub(crate) enum Task {
    /// Show a request, before which this many could not be shown.
    Show {
        received: Box<Received>,
        missed: u64,
    },
    /// Do what the user has typed.
    Typed(String),
    Stop,
}

/// Which requests are saved without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Saving {
    None,
    /// Those that were rejected
    Failures,
    All,
}

/// Shows requests.
pub(crate) struct Desk {
    pub(crate) keys: Keys,
    pub(crate) form: Form,
    pub(crate) folder: Folder,
    pub(crate) saving: Saving,
}

impl Desk {
    /// Works until it is stopped.
    pub(crate) fn work(&self, tasks: &Receiver<Task>, out: &mut Output) -> Result<(), Error> {
        let mut history = History::default();
        while let Ok(task) = tasks.recv() {
            match task {
                Task::Show { received, missed } => self.show(*received, missed, &mut history, out)?,
                Task::Typed(line) => self.typed(line.trim(), &history, out)?,
                Task::Stop => break,
            }
        }
        Ok(())
    }

    fn show(&self, received: Received, missed: u64, history: &mut History, out: &mut Output) -> Result<(), Error> {
        if missed > 0 {
            output::complain(&format_args!("{missed} requests arrived too fast, and are not shown"));
        }
        let number = history.add(received);
        let Some(received) = history.get(number) else { return Ok(()) };
        let duplicate_of = history.duplicate_of(number);
        let saved = self.is_saved(received).then(|| self.save(number, received)).flatten();
        let report = match &received.result {
            Err(Problem::Rejected(rejection)) => {
                let case = self.keys.case(received).map_err(Error::Verifier)?;
                Some(Report::of(&case, Err(*rejection), received.arrived_at))
            }
            Ok(_) | Err(Problem::NotAWebhook { .. }) => None,
        };
        match self.form {
            Form::Json => {
                let verification = match (&received.result, &report) {
                    (Ok(verified), _) => verdict::as_json(&Ok(verified.clone())),
                    (Err(_), Some(report)) => report.to_json(),
                    (Err(problem), None) => show::problem(problem),
                };
                let object = show::object(number, received, duplicate_of, &verification, saved.as_deref());
                out.print(&format!("{object}\n"))
            }
            Form::Text(paint) => {
                out.print(&paint.request(number, received, duplicate_of, report.as_ref()))?;
                saved.map_or(Ok(()), |path| out.print(&saved_as(&path, received)))?;
                out.print("\n")
            }
        }
    }

    fn typed(&self, line: &str, history: &History, out: &mut Output) -> Result<(), Error> {
        let Form::Text(paint) = self.form else { return Ok(()) };
        if line == "list" {
            let known = history.numbers().filter_map(|number| Some((number, history.get(number)?)));
            return out.print(&known.map(|(number, received)| paint.headline(number, received)).collect::<String>());
        }
        let Ok(number) = line.trim_start_matches('#').parse::<usize>() else { return out.print(HELP) };
        match history.get(number) {
            Some(received) => match self.save(number, received) {
                Some(path) => out.print(&saved_as(&path, received)),
                None => Ok(()),
            },
            None => out.print(&format!("there is no request #{number}, or not any more\n")),
        }
    }

    fn is_saved(&self, received: &Received) -> bool {
        match self.saving {
            Saving::None => false,
            Saving::Failures => received.result.is_err(),
            Saving::All => true,
        }
    }

    fn save(&self, number: usize, received: &Received) -> Option<PathBuf> {
        let saved = self.folder.save(number, received);
        saved.map_err(|problem| output::complain(&problem)).ok()
    }
}

fn saved_as(path: &std::path::Path, received: &Received) -> String {
    let (path, now) = (path.display(), received.arrived_at.as_secs());
    format!("  saved as {path}: `countersign explain --request {path} --now {now}` reads it\n")
}
