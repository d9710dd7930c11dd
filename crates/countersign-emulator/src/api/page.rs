//! Pagination.

use super::error::ApiError;
use super::query::Query;

/// The default page size.
const DEFAULT_SIZE: usize = 50;
/// The largest page size.
const MAX_SIZE: usize = 1000;

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    size: usize,
    /// The number of the last item on the previous page.
    pub(crate) after: Option<u64>,
}

impl Page {
    /// Parses `page_size` and `page_token`.
    pub(crate) fn parse(query: &mut Query) -> Result<Self, ApiError> {
        let size = match query.take("page_size") {
            None => DEFAULT_SIZE,
            Some(text) => match text.parse() {
                Ok(0) => DEFAULT_SIZE,
                Ok(size) => usize::min(size, MAX_SIZE),
                Err(_) => return Err(ApiError::invalid("page_size", "expected a number that is not negative")),
            },
        };
        let invalid = || ApiError::invalid("page_token", "this is not a token of this list");
        let after = match query.take("page_token").filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => Some(u64::from_str_radix(&token, 36).map_err(|_| invalid())?),
        };
        Ok(Self { size, after })
    }

    /// The items of this page, and the token of the next page unless it would be empty.
    pub(crate) fn of<T>(self, items: impl Iterator<Item = (u64, T)>) -> (Vec<T>, Option<String>) {
        let mut items = items.peekable();
        let mut last = 0;
        let page = items.by_ref().take(self.size).map(|(number, item)| {
            last = number;
            item
        });
        let page = page.collect();
        let next = items.peek().is_some().then(|| base_36(last));
        (page, next)
    }
}

fn base_36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit(u32::try_from(number % 36).unwrap_or_default(), 36));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_the_last_has_no_token() {
        let items = || (1..=5).map(|number: u64| (number * 100, number));
        let mut page = Page { size: 2, after: None };
        let mut seen = Vec::new();
        loop {
            let rest = items().filter(|(number, _)| page.after.is_none_or(|after| *number > after));
            let (found, next) = page.of(rest);
            assert!(!found.is_empty());
            seen.extend(found);
            let Some(token) = next else { break };
            page = Page::parse(&mut Query::parse(&format!("page_size=2&page_token={token}"))).expect("its own token");
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_asked_for_is_bounded_and_read_strictly() {
        let read = |query: &str| Page::parse(&mut Query::parse(query));
        assert_eq!(read("page_size=5000").expect("a page").size, MAX_SIZE);
        assert_eq!(read("pageSize=7&pageToken=").expect("a page"), Page { size: 7, after: None });
        for bad in ["page_size=-1", "page_size=x", "page_token=!!", "page_token=zzzzzzzzzzzzzzzzzz"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
