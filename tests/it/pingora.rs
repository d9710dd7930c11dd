//! Pingora provides the gateway's process, and nothing else of the gateway depends on it.

use crate::sans_io::{sources, workspace};

#[test]
fn pingora_is_used_in_the_process_alone() {
    let source = workspace().join("crates/countersign-gateway/src");
    let process = source.join("process");
    let (mut inside, mut outside) = (0, Vec::new());
    for file in sources(&source) {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            // The filter of the log names its targets, as text: `pingora_core=warn`.
            let is_used = ["pingora::", "pingora_core::", "pingora_load_balancing::", "use pingora"]
                .iter()
                .any(|path| code.contains(path));
            if is_used && file.starts_with(&process) {
                inside += 1;
            } else if is_used {
                outside.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(inside > 0, "process/ does not use Pingora: this test looks for the wrong thing");
    assert!(outside.is_empty(), "Pingora is used outside of process/:\n{}", outside.join("\n"));
}
