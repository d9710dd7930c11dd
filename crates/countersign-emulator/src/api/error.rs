//! Errors in the form of Google's APIs.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

/// How long a client should wait after 429, in seconds.
const RETRY_SECONDS: &str = "10";

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// The canonical code (`google.rpc.Code`).
    code: &'static str,
    message: String,
    violations: Vec<(String, String)>,
    /// The methods of a resource that does not support this one (`Allow`), unless the router knows them.
    allow: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), violations: Vec::new(), allow: None }
    }

    /// A field has an invalid value.
    pub(crate) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::violations(vec![(field.into(), description.into())])
    }

    /// Several fields have invalid values.
    pub(crate) fn violations(violations: Vec<(String, String)>) -> Self {
        let said = violations.iter().map(|(field, description)| match field.as_str() {
            "" => description.clone(),
            field => format!("{field}: {description}"),
        });
        let message = said.collect::<Vec<_>>().join("; ");
        Self { violations, ..Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message) }
    }

    /// Appends to the message.
    pub(crate) fn hint(mut self, more: &str) -> Self {
        self.message.push_str(more);
        self
    }

    /// The request is valid, but not in the current state.
    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "FAILED_PRECONDITION", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
    }

    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
    }

    /// A `POST` to a resource without a verb, which supports only the methods in `allow`.
    pub(crate) fn no_post(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::method_not_allowed() }
    }

    /// The error for a method that the router has no handler for. It adds `Allow` itself.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNIMPLEMENTED", "this resource does not support this method")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_ARGUMENT", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    /// The body in the form of interactions: a code in words, and a message that names the fields.
    pub(crate) fn body_of_interactions(&self) -> Value {
        let code = match self.code {
            // As seen in the real service. The other codes are guesses: the SDKs expect a string.
            "INVALID_ARGUMENT" => "invalid_request".to_owned(),
            code => code.to_ascii_lowercase(),
        };
        json!({ "error": { "code": code, "message": self.message } })
    }

    /// The body in the form of Google's APIs.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "code": self.status.as_u16(), "message": self.message, "status": self.code });
        if !self.violations.is_empty() {
            let violations = self
                .violations
                .iter()
                .map(|(field, description)| json!({ "field": field, "description": description }))
                .collect::<Vec<_>>();
            error["details"] =
                json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations }]);
        }
        json!({ "error": error })
    }
}

/// The status alone, with the error in the extensions: its body depends on the request, and is rendered last.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
