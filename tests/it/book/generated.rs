//! The pages that are generated from the code. `UPDATE_BOOK=1 cargo test -p countersign-tests book` writes them.

use std::fmt::Write as _;
use std::fs;

use countersign::header::HeaderNames;
use countersign_senders::{AS_OF, SENDERS, SecretForm, Sender};

use super::{configuration, read, root, source};

const NOTE: &str = "<!-- Generated from the code: see tests/it/book/generated.rs. -->\n\n";

fn title(sender: &Sender) -> &'static str {
    match sender.name {
        "standard" => "Any other sender",
        "gemini" => "Gemini",
        "openai" => "OpenAI",
        "anthropic" => "Anthropic",
        "svix" => "Svix",
        "clerk" => "Clerk",
        "resend" => "Resend",
        "supabase" => "Supabase",
        "replicate" => "Replicate",
        "polar" => "Polar",
        other => panic!("the sender {other} has no title"),
    }
}

fn headers(sender: &Sender) -> &'static str {
    match sender.headers {
        HeaderNames::Svix => "`svix-id`, `svix-timestamp`, `svix-signature`",
        HeaderNames::Either => "`webhook-…` or `svix-…`",
        _ => "`webhook-id`, `webhook-timestamp`, `webhook-signature`",
    }
}

fn secrets(sender: &Sender) -> &'static str {
    match sender.secrets {
        SecretForm::Versioned => "`v1,whsec_…`",
        SecretForm::Prefix => "`whsec_…`, or the key as text",
        _ => "`whsec_…`, the key in base64",
    }
}

/// The page of one sender.
fn sender(sender: &Sender) -> String {
    let (name, title) = (sender.name, title(sender));
    let variable = format!("{}_WEBHOOK_SECRET", name.to_uppercase());
    let hours = sender.retain.as_secs() / 3600;
    let duplicates = if sender.reads_response {
        format!(
            "\n{title} reads the response, so duplicates are forwarded to the backend too, and an inbox makes no sense.\n"
        )
    } else {
        String::new()
    };
    format!(
        "# {title}\n\n{NOTE}| | |\n| --- | --- |\n| headers | {} |\n| secrets | {} |\n| ids are remembered for | {hours} h |\n\
         | documentation | <{}>, read on {AS_OF} |\n{duplicates}\nIn front of any backend:\n\n```toml\n[server]\n\
         listen = [\"127.0.0.1:8080\"]\nadmin = \"127.0.0.1:9901\"\n\n[sources.{name}]\npreset = \"{name}\"\n\
         secrets = [{{ env = \"{variable}\" }}]\n\n[[routes]]\npath = \"/{name}\"\nsource = \"{name}\"\n\
         upstream = [\"http://127.0.0.1:3000\"]\n```\n\nTo see the first webhook on your machine, start this, and send \
         one:\n\n```sh\nexport {variable}=\"$(countersign secret new)\"\ncountersign listen --preset {name} --secret-env \
         {variable} --listen 127.0.0.1:3000 &\nuntil curl -s -o answer.txt http://127.0.0.1:3000/; do sleep 0.2; done\n\
         countersign send http://127.0.0.1:3000/ --preset {name} --secret-env {variable} --event batch.succeeded\n```\n\n\
         ```text\n…200…\n```\n",
        headers(sender),
        secrets(sender),
        sender.documentation,
    )
}

fn senders() -> String {
    let mut page = format!(
        "# Senders\n\n{NOTE}A preset knows how a sender names its headers, writes its secrets, and how long it retries. \
         `preset` in a source of the gateway and `--preset` on the command line select one.\n\n\
         | sender | preset | headers | secrets |\n| --- | --- | --- | --- |\n"
    );
    for sender in &SENDERS {
        let (name, title) = (sender.name, title(sender));
        let _ = writeln!(page, "| [{title}]({name}.md) | `{name}` | {} | {} |", headers(sender), secrets(sender));
    }
    page
}

/// The reasons, causes and fixes in the manual of the layer, whose own test compares them with the code.
fn reasons() -> String {
    let manual = read(&root().join("crates/countersign-tower/src/manual/signature_mismatch.md"));
    let mut page = format!(
        "# Reasons and cures\n\n{NOTE}A rejected request gets a problem document (RFC 9457) whose `code` is one of these. \
         The same text is the `reason` in logs and metrics.\n\n| reason | status | cause | what to do |\n\
         | --- | --- | --- | --- |\n"
    );
    let rows = manual.lines().filter(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        line.starts_with("| `") && cells.len() == 4 && cells[1].trim().starts_with(|char: char| char.is_ascii_digit())
    });
    for row in rows {
        let _ = writeln!(page, "{}", unlinked(row));
    }
    page
}

/// The text without its links, which lead to the documentation of the crate.
fn unlinked(row: &str) -> String {
    let mut text = String::new();
    let mut rest = row;
    while let Some((before, linked)) = rest.split_once('[') {
        let Some((label, after)) = linked.split_once("](") else { break };
        let Some((_, after)) = after.split_once(')') else { break };
        text = text + before + label;
        rest = after;
    }
    text + rest
}

#[test]
fn generated_pages_are_up_to_date() {
    let mut pages = vec![
        ("senders/index.md".to_owned(), senders()),
        ("reference/reasons.md".to_owned(), reasons()),
        ("reference/configuration.md".to_owned(), configuration::page(NOTE)),
    ];
    pages.extend(SENDERS.iter().map(|one| (format!("senders/{}.md", one.name), sender(one))));
    for (page, expected) in pages {
        let file = source().join(&page);
        if std::env::var_os("UPDATE_BOOK").is_some() {
            fs::write(&file, &expected).expect("a file can be written");
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == expected,
            "docs/src/{page} is out of date: UPDATE_BOOK=1 cargo test -p countersign-tests book"
        );
        assert!(expected.len() > 500, "{page}: {expected}");
    }
}
