//! `bench_report LOAD_BEFORE [BOOK]`: makes pages of what the benches have measured, in `bench` in the target directory:
//! `report.html`, `report.md` with its pictures, and `report.json`. With a folder of the book, its page too, and the
//! figures in the `README.md` of the working directory.
//!
//! `LOAD_BEFORE` is the load average of the machine before the run.

mod machine;
mod quote;
mod summary;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use countersign_benches::report::{self, Report};
use serde_json::json;

/// The reports, in their order. Parts of a run may be missing.
const PARTS: [&str; 8] = ["verification", "times", "memory", "stores", "layer", "receivers", "gateway", "emulator"];
const TITLE: &str = "What countersign costs";
const README: &str = "README.md";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (load, book) = match &arguments[..] {
        [load] => (load, None),
        [load, book] => (load, Some(Path::new(book))),
        _ => return Err("usage: bench_report LOAD_BEFORE [BOOK]".into()),
    };
    let folder = report::target_dir().join("bench");
    let mut reports = Vec::new();
    for part in PARTS {
        let file = folder.join("parts").join(part).with_extension("json");
        if file.is_file() {
            reports.push(serde_json::from_slice::<Report>(&fs::read(file)?)?);
        } else {
            eprintln!("not measured: {part}");
        }
    }
    let lines = machine::lines(load);
    let summary = summary::report(&reports);
    let all: Vec<Report> = std::iter::once(summary).chain(reports).collect();

    fs::write(folder.join("report.html"), report::page(TITLE, &lines, &all))?;
    let data = json!({ "machine": lines, "reports": all });
    fs::write(folder.join("report.json"), serde_json::to_string_pretty(&data)?)?;
    write_markdown(&folder.join("report.md"), "charts", &lines, &all)?;
    println!("written to {}", folder.join("report.html").display());
    if let Some(book) = book {
        let page = book.join("benchmarks.md");
        write_markdown(&page, "benchmarks", &lines, &all)?;
        let readme = fs::read_to_string(README)?;
        let quoted =
            quote::quote(&readme, &fs::read_to_string(&page)?).ok_or("the README has no table of what it costs")?;
        fs::write(README, quoted)?;
        println!("written to {} and {README}", page.display());
    }
    Ok(())
}

/// Writes a page, and its pictures into a folder beside it.
fn write_markdown(page: &Path, pictures: &str, lines: &[String], reports: &[Report]) -> Result<(), Box<dyn Error>> {
    let lines = lines.iter().map(|line| format!("- {line}\n")).collect::<Vec<_>>().concat();
    let (text, files) = report::pages(&format!("# {TITLE}\n\n{lines}"), reports, pictures);
    let folder = page.with_file_name(pictures);
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, picture) in files {
        fs::write(folder.join(name), picture)?;
    }
    Ok(fs::write(page, text)?)
}
