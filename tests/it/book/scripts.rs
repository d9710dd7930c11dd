//! The commands of each page, in a shell, as a reader would type them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{blocks, listed, read, source};

/// The ports on the pages.
const PORTS: [&str; 3] = ["8080", "9901", "3000"];

/// Ends all processes of a group when it is dropped.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let kill = format!("kill -TERM -{0}; sleep 0.3; kill -KILL -{0}", self.0);
        let _ = Command::new("sh").arg("-c").arg(kill).stderr(Stdio::null()).status();
    }
}

/// Where cargo has put the programs.
fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(Path::parent).expect("the folder above the tests").to_owned();
    for program in ["countersign", "countersign-gateway"] {
        let message = "is missing: `cargo build --workspace --all-features --bins` makes it";
        assert!(folder.join(program).exists(), "{program} {message}");
    }
    folder
}

/// The same text with ports that are free at the moment.
fn with_free_ports(text: &str) -> String {
    let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let ports = listeners.each_ref().map(|listener| listener.local_addr().expect("an address").port().to_string());
    PORTS.iter().zip(&ports).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Whether the output has a line with the parts of `expected`, which `…` separates, in their order.
fn has_line(output: &str, expected: &str) -> bool {
    output.lines().any(|line| {
        let mut rest = Some(line);
        for part in expected.split('…') {
            rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
        }
        rest.is_some()
    })
}

/// Runs the commands of a page, and compares what they print with what the page shows.
fn run(page: &Path) {
    let text = read(page);
    let commands = blocks(&text, "sh").concat();
    if commands.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("page.sh");
    // Background processes write to the same file.
    fs::write(&script, with_free_ports(&format!("set -eu\n{commands}\nsleep 0.5\n"))).expect("a file");
    let path = format!("{}:{}", programs().display(), std::env::var("PATH").expect("a path"));
    let output = folder.path().join("output");
    let file = File::create(&output).expect("a file");
    let mut command = Command::new("timeout");
    command.args(["60", "bash"]).arg(&script).current_dir(folder.path()).env("PATH", path).process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
    let mut shell = command.spawn().expect("a shell");
    let group = Group(shell.id());
    let status = shell.wait().expect("its end");
    drop(group);
    let printed = read(&output);
    let name = page.strip_prefix(source()).expect("a page").display();
    assert!(status.success(), "{name}: {status}\n{printed}");
    for line in blocks(&text, "text").iter().flat_map(|block| block.lines()) {
        assert!(has_line(&printed, line), "{name}: no line like {line:?} in\n{printed}");
    }
}

#[test]
fn the_commands_of_every_page_do_what_it_says() {
    let pages: Vec<_> = listed().into_iter().filter(|page| !blocks(&read(page), "sh").is_empty()).collect();
    assert!(pages.len() >= 5, "{pages:?}");
    for page in pages {
        run(&page);
    }
}

#[test]
fn a_line_is_found_by_its_parts() {
    let output = "one two three\nfour";
    for (expected, found) in
        [("one…three", true), ("two", true), ("four", true), ("three…one", false), ("one…four", false)]
    {
        assert_eq!(has_line(output, expected), found, "{expected}");
    }
}
