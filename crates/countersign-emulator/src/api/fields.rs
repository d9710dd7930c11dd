//! The body of a request, field by field: each field is taken once, and the rest is unknown.

use heck::ToLowerCamelCase as _;
use http::Uri;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::job::WebhookConfig;

/// The maximum number of addresses of one job.
pub(crate) const MAX_URIS: usize = 10;
/// The maximum size of the user metadata, in bytes of JSON.
const MAX_USER_METADATA: usize = 8 << 10;
/// How many unknown fields an error lists.
const MAX_UNKNOWN: usize = 20;
/// The maximum length of an address, in bytes.
const MAX_URI: usize = 2048;

/// The members of an object. Names may be in snake case or in camel case, as in Google's APIs.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    members: Map<String, Value>,
}

impl Fields {
    /// Parses a body. An empty one counts as an empty object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::of(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self::of(members)),
            Ok(_) => Err(ApiError::invalid("", "the body is JSON, but not an object")),
            Err(error) => Err(ApiError::invalid("", format!("the body is not JSON: {error}"))),
        }
    }

    /// The fields of an object that is already parsed.
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        Self { path: String::new(), members }
    }

    /// The path of a field, for errors.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// Takes the field of this snake-case name; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.members.remove(name).or_else(|| self.members.remove(&name.to_lower_camel_case()));
        value.filter(|value| !value.is_null())
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name) || self.members.contains_key(&name.to_lower_camel_case())
    }

    /// Drops fields that are allowed and have no effect.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            let _ = self.take(name);
        }
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::invalid(self.path(name), "expected a string")),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(ApiError::invalid(self.path(name), "expected true or false")),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(ApiError::invalid(self.path(name), "expected a list")),
        }
    }

    pub(crate) fn map(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(ApiError::invalid(self.path(name), "expected an object")),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        let path = self.path(name);
        Ok(self.map(name)?.map(|members| Self { path, members }))
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let path = self.path(name);
        let read = |(index, value)| match value {
            Value::String(text) => Ok(text),
            _ => Err(ApiError::invalid(format!("{path}[{index}]"), "expected a string")),
        };
        self.list(name)?.map(|values| values.into_iter().enumerate().map(read).collect()).transpose()
    }

    /// Takes `webhook_config`.
    pub(crate) fn webhook_config(&mut self) -> Result<Option<WebhookConfig>, ApiError> {
        let Some(mut config) = self.object("webhook_config")? else { return Ok(None) };
        let uris = config.strings("uris")?.unwrap_or_default();
        if uris.len() > MAX_URIS {
            return Err(ApiError::invalid(config.path("uris"), format!("there are more than {MAX_URIS} addresses")));
        }
        let uris = uris.iter().enumerate().map(|(index, text)| uri(&config.path(&format!("uris[{index}]")), text));
        let uris = uris.collect::<Result<_, _>>()?;
        let user_metadata = config.map("user_metadata")?;
        if user_metadata.as_ref().is_some_and(|map| Value::Object(map.clone()).to_string().len() > MAX_USER_METADATA) {
            let limit = format!("the metadata has more than {MAX_USER_METADATA} bytes of JSON");
            return Err(ApiError::invalid(config.path("user_metadata"), limit));
        }
        config.reject_unknown()?;
        Ok(Some(WebhookConfig { uris, user_metadata }))
    }

    /// Rejects the fields that are left.
    pub(crate) fn reject_unknown(self) -> Result<(), ApiError> {
        if self.members.is_empty() {
            return Ok(());
        }
        let unknown = |name: &String| (self.path(name), "there is no such field".to_owned());
        Err(ApiError::violations(self.members.keys().take(MAX_UNKNOWN).map(unknown).collect()))
    }
}

/// Parses an address that events can be sent to.
pub(crate) fn uri(field: &str, text: &str) -> Result<Uri, ApiError> {
    let problem = |problem: &str| Err(ApiError::invalid(field, problem));
    if text.len() > MAX_URI {
        return problem("the address is longer than 2048 bytes");
    }
    if text.contains('#') {
        return problem("the address must not have a fragment (`#`)");
    }
    match text.parse::<Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) => match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                problem("the address must not have a user name or password")
            }
            Some(authority) if !authority.host().is_empty() => Ok(uri),
            _ => problem("the address must have a host"),
        },
        _ => problem("write an address such as http://127.0.0.1:3000/gemini"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).expect("an object")
    }

    fn message(result: Result<impl std::fmt::Debug, ApiError>) -> String {
        result.expect_err("must be rejected").body()["error"]["message"].as_str().expect("a message").to_owned()
    }

    #[test]
    fn both_spellings_of_a_name_are_taken_and_what_is_left_is_unknown() {
        let mut fields = parse(r#"{"display_name":"a","displayName":"b","nothing":null,"uris":[],"typo":1}"#);
        assert_eq!(fields.string("display_name").expect("a string").as_deref(), Some("a"));
        assert_eq!(fields.string("display_name").expect("a string").as_deref(), Some("b"));
        assert_eq!(fields.string("nothing").expect("absent"), None);
        assert_eq!(message(fields.reject_unknown()), "typo: there is no such field; uris: there is no such field");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        let config = |text: &str| message(parse(&format!(r#"{{"webhook_config":{text}}}"#)).webhook_config());
        assert_eq!(config("7"), "webhook_config: expected an object");
        assert_eq!(config(r#"{"uris":"x"}"#), "webhook_config.uris: expected a list");
        assert_eq!(config(r#"{"uris":[1]}"#), "webhook_config.uris[0]: expected a string");
        assert_eq!(config(r#"{"url":"x"}"#), "webhook_config.url: there is no such field");
        assert!(config(r#"{"uris":["http://a/","ftp://b/"]}"#).starts_with("webhook_config.uris[1]: write an address"));
        let large = format!(r#"{{"userMetadata":{{"a":"{}"}}}}"#, "x".repeat(MAX_USER_METADATA));
        assert!(config(&large).contains("more than 8192 bytes"));
        let many = format!(r#"{{"uris":[{}]}}"#, [r#""http://a/""#; 11].join(","));
        assert!(config(&many).contains("more than 10 addresses"));
    }

    #[test]
    fn an_address_is_absolute_and_names_nobody() {
        for good in ["http://127.0.0.1:3000/gemini", "https://hooks.example.com", "http://[::1]:80/a?b=c"] {
            assert!(uri("uri", good).is_ok(), "{good}");
        }
        for bad in
            ["", "/gemini", "hooks.example.com", "ftp://a/", "http://u:p@a/", "http://a/#b", "http:///a", "http://"]
        {
            assert!(uri("uri", bad).is_err(), "{bad}");
        }
        assert!(uri("uri", &format!("http://a/{}", "x".repeat(3000))).is_err());
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(Fields::parse(b" \n").is_ok_and(|fields| fields.reject_unknown().is_ok()));
        assert_eq!(message(Fields::parse(b"[]")), "the body is JSON, but not an object");
        assert!(message(Fields::parse(b"{")).starts_with("the body is not JSON: "));
    }
}
