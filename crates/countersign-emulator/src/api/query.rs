//! The query of a request's URL.

/// Its parameters; names in snake case or in camel case.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (snake_case(&name), value.into_owned())).collect())
    }

    /// Takes the first parameter of this snake-case name.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(index).1)
    }
}

fn snake_case(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
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
