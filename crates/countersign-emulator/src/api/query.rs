//! The query of a request's URL.

use heck::ToLowerCamelCase as _;

/// The parameters. Names may be in snake case or in camel case, as in Google's APIs.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first parameter of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Takes the first parameter of this snake-case name.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let camel = name.to_lower_camel_case();
        let index = self.0.iter().position(|(found, _)| found == name || *found == camel)?;
        Some(self.0.remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_found_in_both_spellings() {
        let mut query = Query::parse("updateMask=state%2Cname&page_size=3&empty");
        assert_eq!(query.take("update_mask").as_deref(), Some("state,name"));
        assert_eq!(query.take("page_size").as_deref(), Some("3"));
        assert_eq!(query.take("empty").as_deref(), Some(""));
        assert_eq!(query.take("page_size"), None);
    }
}
