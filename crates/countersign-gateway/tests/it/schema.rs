//! The JSON Schema accepts what the gateway accepts, and no unknown key.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_gateway::Config;
use countersign_tests::install::Packages;
use serde_json::{Value, json};

use crate::common::{SECRET, finished, run};
use crate::config::{self, GOOD};

pub(crate) const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));
/// A validator that shares nothing with what generates the schema.
pub(crate) const VALIDATOR: &str = "fastjsonschema==2.22.3 \
    --hash=sha256:f670b443830b75aca3f00b75949efa20f4b2a80302ec7a21505c28dd54cffd43\n";
/// Prints for each instance why the schema refuses it, or null.
const SCRIPT: &str = r"
import json, sys
import fastjsonschema

given = json.load(sys.stdin)
validate = fastjsonschema.compile(given['schema'])

def refusal(instance):
    try:
        validate(instance)
    except fastjsonschema.JsonSchemaValueException as error:
        return error.message

json.dump([refusal(instance) for instance in given['instances']], sys.stdout)
";

/// Why the schema refuses each of these configurations, if it does.
fn refusals(configs: &[String]) -> Vec<Option<String>> {
    let schema: Value = serde_json::from_str(&Config::schema()).expect("JSON");
    let instances: Vec<_> = configs.iter().map(|config| json(toml::from_str(config).expect("TOML"))).collect();
    refusals_of(&schema, &instances)
}

/// Why this schema refuses each of these instances, if it does.
pub(crate) fn refusals_of(schema: &Value, instances: &[Value]) -> Vec<Option<String>> {
    let mut python = Command::new("python3")
        .args(["-B", "-c", SCRIPT])
        .env("PYTHONPATH", PACKAGES.python("json-schema", VALIDATOR))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let given = json!({ "schema": schema, "instances": instances }).to_string();
    // The validator reads everything before it writes.
    python.stdin.take().expect("a pipe").write_all(given.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the schema cannot be used");
    serde_json::from_slice(&output.stdout).expect("one answer for each")
}

/// The value in JSON, with dates as strings, as editors for TOML see it.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(bool) => bool.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

/// The configurations in the documentation and the benchmarks, also with their optional keys.
fn documented() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |page: &str| std::fs::read_to_string(root.join(page)).expect("a page");
    let mut configs = Vec::new();
    for page in ["README.md", "crates/countersign-gateway/README.md"] {
        let text = read(page);
        let shown: Vec<_> = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!shown.is_empty(), "{page} shows no configuration");
        configs.extend(shown.iter().flat_map(|shown| [(*shown).to_owned(), shown.replace("\n# ", "\n")]));
    }
    for peer in ["benches/peers/countersign.toml", "benches/peers/emulated.toml"] {
        let ports =
            [("@PORT@", "8080"), ("@H2C@", "8081"), ("@TLS@", "8443"), ("@ADMIN@", "9901"), ("@BACKEND@", "3000")];
        configs.push(ports.iter().fold(read(peer), |text, (place, port)| text.replace(place, port)));
    }
    configs
}

#[test]
fn the_schema_in_the_repository_is_the_one_that_the_gateway_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = finished(Command::new(env!("CARGO_BIN_EXE_countersign-gateway")).arg("--schema").current_dir(&folder));
    assert!(output.status.success());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.schema.json");
    assert!(
        output.stdout == std::fs::read(&file).expect("the schema"),
        "the types of the configuration have changed: countersign-gateway --schema > {}",
        file.display()
    );
}

#[test]
fn every_key_has_a_description_and_unknown_keys_are_refused_everywhere() {
    fn check(schema: &Value, at: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{at}");
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{at}/{key} has no description");
            }
        }
        match schema {
            Value::Object(parts) => parts.iter().for_each(|(key, part)| check(part, &format!("{at}/{key}"))),
            Value::Array(parts) => parts.iter().for_each(|part| check(part, at)),
            _ => {}
        }
    }
    check(&serde_json::from_str(&Config::schema()).expect("JSON"), "");
}

#[test]
fn the_schema_accepts_every_configuration_that_the_gateway_accepts() {
    let configs = [documented(), config::accepted(), config::doubtful(), config::keys()].concat();
    for (config, refusal) in configs.iter().zip(refusals(&configs)) {
        assert_eq!(refusal, None, "{config}");
    }
    assert!(configs.len() > 70, "only {} configurations", configs.len());
}

#[test]
fn the_schema_refuses_what_the_gateway_refuses_for_its_form() {
    let folder = config::folder();
    let keys = "[sources.gemini]\njwks = { url = \"https://a\" }\ntoken = { audience = [\"a\"] }";
    let all = [GOOD.replace("[sources.gemini]", keys)];
    let unknown = [
        ("[server]", "[server]\nno_key = 1"),
        ("[sources.gemini]", "[sources.gemini]\nno_key = 1"),
        ("[sources.gemini.replay]", "[sources.gemini.replay]\nno_key = 1"),
        ("[[routes]]", "[[routes]]\nno_key = 1"),
        ("[server]", "no_key = 1\n[server]"),
        ("{ env =", "{ no_key = 1, env ="),
        ("{ url =", "{ no_key = 1, url ="),
        ("{ audience =", "{ no_key = 1, audience ="),
    ];
    let other = [
        ("[[routes]]\npath = \"/gemini\"", "[[routes]]"),
        ("[server]\nlisten = [\"127.0.0.1:18080\"]", "[server]"),
        ("[\"127.0.0.1:18080\"]", "[]"),
        ("[\"127.0.0.1:18080\"]", "[{ address = \"127.0.0.1:18080\", tls = { certificates = [] } }]"),
        ("[\"127.0.0.1:18080\"]", "[{ address = \"127.0.0.1:18080\", tls = [] }]"),
        ("[\"127.0.0.1:18080\"]", "[{ address = \"127.0.0.1:18080\", no_key = 1 }]"),
        ("[\"127.0.0.1:18080\"]", "\"127.0.0.1:18080\""),
        ("{ env = \"TEST_SECRET\" }", "{ env = \"A\", file = \"b\" }"),
        ("{ env = \"TEST_SECRET\" }", "{ label = \"a\" }"),
        ("{ env = \"TEST_SECRET\" }", &format!("\"{SECRET}\"")),
        ("\"5m\"", "5"),
        ("\"5m\"", "\"5\""),
        ("\"1MiB\"", "\"much\""),
        ("\"1MiB\"", "-1"),
        ("capacity = 100000", "capacity = 0"),
        ("[sources.gemini]", "[store]\nengine = \"mysql\"\n[sources.gemini]"),
        ("[sources.gemini]", "[store]\nengine = \"sqlite\"\nfile = \"a\"\n[sources.gemini]"),
        ("events =", "untyped = \"drop\"\nevents ="),
        ("\"batch.*\"", "\"*.failed\""),
        ("\"/gemini\"", "\"gemini\""),
        ("http://127.0.0.1:3000", "ftp://a"),
        ("http://127.0.0.1:3000", "unix:app.sock"),
        ("[sources.gemini.replay]\nlease = \"60s\"\ncapacity = 100000", "[sources]\nother = [\"a\"]"),
    ];
    let changed = unknown.iter().chain(&other).map(|(from, to)| {
        assert!(all[0].contains(from), "{from}");
        all[0].replacen(from, to, 1)
    });
    let changed: Vec<_> = changed.collect();
    assert_eq!(refusals(&all), [None]);
    for (position, (config, refusal)) in changed.iter().zip(refusals(&changed)).enumerate() {
        let refusal = refusal.unwrap_or_else(|| panic!("the schema accepts {config}"));
        assert!(position >= unknown.len() || refusal.contains("no_key"), "{refusal}");
        let output = run(folder.path(), config, &["--check"]);
        assert_eq!(output.status.code(), Some(1), "{config}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(position >= unknown.len() || text.contains("unknown key \"no_key\""), "{text}");
    }
}
