use std::sync::Arc;

use http::request;

use crate::report::Report;

type SharedHook = Arc<dyn Fn(&Report) + Send + Sync>;
type OwnHook = Box<dyn FnOnce(&Report) + Send + Sync>;

/// The user's function that is called once for each request, with its report.
#[derive(Clone)]
pub(crate) enum ReportHook {
    /// One function for all requests.
    Shared(SharedHook),
    /// Creates a function for each request from its head.
    PerRequest(Arc<dyn Fn(&request::Parts) -> OwnHook + Send + Sync>),
}

/// The hook of one request, until it is called.
pub(crate) enum OpenReport {
    Shared(SharedHook),
    Own(OwnHook),
}

impl ReportHook {
    pub(crate) fn open(&self, head: &request::Parts) -> OpenReport {
        match self {
            Self::Shared(hook) => OpenReport::Shared(Arc::clone(hook)),
            Self::PerRequest(open) => OpenReport::Own(open(head)),
        }
    }
}

impl OpenReport {
    pub(crate) fn give(self, report: &Report) {
        match self {
            Self::Shared(hook) => hook(report),
            Self::Own(hook) => hook(report),
        }
    }
}
