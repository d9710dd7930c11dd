//! What packages install beside the program: completions and manual pages.

use std::process::Command;

use crate::common::run;
use tempfile::TempDir;

const VERBS: [&str; 11] =
    ["secret", "jwks", "sign", "send", "bench", "emulate", "listen", "verify", "explain", "completions", "man"];

#[test]
fn every_shell_gets_a_script_with_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let missing = VERBS.iter().find(|verb| !ran.stdout.contains(*verb));
        assert_eq!(missing, None, "{shell}");
    }
    assert_eq!(run(["completions", "tcsh"]).code, 2);
}

#[test]
fn bash_reads_its_script_and_completes_a_verb() {
    let script = run(["completions", "bash"]).stdout;
    let completes = "COMP_WORDS=(countersign expl); COMP_CWORD=1; _countersign countersign expl countersign; \
                     printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["--norc", "-c", &format!("{script}\n{completes}")]).output();
    let output = output.expect("bash, which make setup expects");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "explain", "{output:?}");
}

#[test]
fn every_verb_has_a_manual_page() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let ran = run(["man", path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    for verb in VERBS {
        let page = std::fs::read_to_string(folder.path().join(format!("countersign-{verb}.1"))).expect("a page");
        assert!(page.contains(".TH ") && page.contains(".SH SYNOPSIS"), "{verb}: {page}");
    }
    let ran = run(["man", "/does/not/exist"]);
    assert_eq!((ran.code, ran.stderr.contains("cannot be written")), (2, true), "{ran:?}");
}

#[test]
fn every_help_text_begins_with_a_sentence_and_fits_the_terminal() {
    for verb in VERBS {
        let ran = run([verb, "--help"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.starts_with(char::is_uppercase), "{ran:?}");
        // The usage is one line, which the terminal wraps.
        let lines = ran.stdout.lines().filter(|line| !line.starts_with("Usage: "));
        let longest = lines.map(|line| line.chars().count()).max();
        assert!(longest <= Some(110), "{verb}: {longest:?}");
    }
}

#[test]
fn the_version_names_the_commit_and_what_the_program_supports() {
    let all = run(["--version"]);
    let git = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    // A package from a registry is in no checkout.
    let head = git.ok().filter(|git| git.status.success()).map(|git| String::from_utf8(git.stdout).expect("a hash"));
    let commit = head.map(|hash| format!(" ({}", &hash[..12])).unwrap_or_default();
    let version = format!("countersign {}{commit}", env!("CARGO_PKG_VERSION"));
    assert!(all.stdout.starts_with(&version), "{all:?}");
    assert!(all.stdout.ends_with("\nschemes: v1, v1a, rs256\nstores: sqlite\n"), "{all:?}");
    assert_eq!(run(["-V"]).stdout.trim_end(), all.stdout.lines().next().expect("a line"));
}
