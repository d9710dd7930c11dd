use super::{Delivery, Reply, Wire};

/// A gateway, as a child process or in the process of the test.
pub(crate) trait Running {
    /// Delivers, and waits for the response.
    async fn send(&self, delivery: &Delivery, wire: Wire) -> Reply;

    /// All metrics, as text.
    async fn metrics(&self) -> String;

    /// The value of a metric, `None` while it is not there.
    async fn metric(&self, name_and_labels: &str) -> Option<f64> {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '))?;
        Some(line.parse().expect("a number"))
    }

    /// The value of a metric of this source.
    async fn figure(&self, name: &str, source: &str) -> Option<f64> {
        self.metric(&format!("countersign_{name}{{source=\"{source}\"}}")).await
    }

    /// The number of requests of the route `/hook` with this outcome and reason.
    async fn count(&self, outcome: &str, reason: &str) -> f64 {
        let labels = format!("{{route=\"/hook\",outcome=\"{outcome}\",reason=\"{reason}\"}}");
        self.metric(&format!("countersign_requests_total{labels}")).await.unwrap_or(0.0)
    }
}
