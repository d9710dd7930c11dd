//! The manifests for Kubernetes.

use serde::Deserialize;
use serde_yaml::Value;

use super::{assert_is_good, stop_takes, text};

fn objects() -> Vec<Value> {
    let text = text("kubernetes/countersign-gateway.yaml");
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| Value::deserialize(document).expect("YAML")).collect()
}

fn object(kind: &str) -> Value {
    let mut found: Vec<_> = objects().into_iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

#[test]
fn the_configuration_is_good_and_names_the_mounted_secret() {
    let config = object("ConfigMap")["data"]["gateway.toml"].as_str().expect("a text").to_owned();
    // The probes come from outside of the pod. The policy keeps others away.
    assert_is_good(&config, "/etc/countersign/secrets", &["`admin` listens on 0.0.0.0:9901"]);
    let policy = object("NetworkPolicy");
    let admin = policy["spec"]["ingress"].as_sequence().expect("a list").iter();
    let mut admin = admin.filter(|rule| rule["ports"][0]["port"] == "admin");
    assert!(admin.all(|rule| rule["from"].is_sequence()));
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], object("Deployment")["spec"]["selector"]["matchLabels"]);
    assert!(object("Secret")["stringData"]["gemini"].is_string());
    let grace = object("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
    assert!(grace.expect("a number") > stop_takes(&config));
}

#[test]
fn the_pod_is_probed_confined_and_has_its_files() {
    let pod = object("Deployment")["spec"]["template"]["spec"].clone();
    let gateway = &pod["containers"][0];
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(gateway[probe]["httpGet"]["path"], path, "{probe}");
        assert_eq!(gateway[probe]["httpGet"]["port"], "admin", "{probe}");
    }
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let confined = &gateway["securityContext"];
    assert_eq!(confined["allowPrivilegeEscalation"], false);
    assert_eq!(confined["readOnlyRootFilesystem"], true);
    assert_eq!(confined["capabilities"]["drop"][0], "ALL");
    let places: Vec<_> = gateway["volumeMounts"].as_sequence().expect("a list").iter().collect();
    let mounted =
        |name: &str| places.iter().find(|mount| mount["name"] == name).map(|mount| mount["mountPath"].clone());
    let (config, secrets) = (mounted("config").expect("mounted"), mounted("secrets").expect("mounted"));
    let argument = gateway["args"][1].as_str().expect("a path");
    assert!(argument.starts_with(config.as_str().expect("a path")), "{argument}");
    assert_eq!(secrets, "/etc/countersign/secrets");
}

#[test]
fn the_service_and_the_budget_select_the_pods() {
    let deployment = object("Deployment");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&object("Service")["spec"]["selector"], labels);
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    let budget = object("PodDisruptionBudget");
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    let (kept, all) = (budget["spec"]["minAvailable"].as_u64(), deployment["spec"]["replicas"].as_u64());
    assert!(kept < all, "a node could never be drained: {kept:?} of {all:?}");
    assert_eq!(object("Service")["spec"]["ports"][0]["targetPort"], "webhooks");
}
