//! The machine, and the versions of what was compared.

use std::fs;
use std::process::Command;

/// Programs that say their version, and how they are asked.
const PROGRAMS: [(&str, &[&str]); 10] = [
    ("rustc", &["--version"]),
    ("nginx", &["-v"]),
    ("haproxy", &["-v"]),
    ("postgres", &["--version"]),
    ("python3", &["--version"]),
    ("node", &["--version"]),
    ("webhook", &["-version"]),
    ("uname", &["-sr"]),
    ("git", &["describe", "--always", "--dirty"]),
    ("date", &["-u", "+%F"]),
];

/// A line for each fact: date, commit, processor, kernel, versions and load.
pub(crate) fn lines(load_before: &str) -> Vec<String> {
    let said = |name: &str| {
        let (program, arguments) = PROGRAMS.iter().find(|(program, _)| *program == name)?;
        first_line(program, arguments)
    };
    let text = |name: &str| said(name).unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".into(), |cores| cores.to_string());
    let mut lines = vec![
        format!("Date: {}", text("date")),
        format!("Commit: {}", text("git")),
        format!("Machine: {}, {cores} cores, {}", processor(), text("uname")),
        format!("Load average before the run: {load_before}; above 0.5, measure again when the machine is quiet"),
        format!("Compiler: {}", text("rustc")),
    ];
    for name in ["nginx", "haproxy", "postgres", "python3", "node", "webhook"] {
        lines.extend(said(name).map(|version| {
            // Some programs begin with their name.
            if version.to_lowercase().contains(name.trim_end_matches('3')) {
                version
            } else {
                format!("{name} {version}")
            }
        }));
    }
    lines
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    // Debian keeps servers where only root looks.
    let programs = [program.to_owned(), format!("/usr/sbin/{program}")];
    let output = programs.iter().find_map(|program| Command::new(program).args(arguments).output().ok())?;
    let said = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}
