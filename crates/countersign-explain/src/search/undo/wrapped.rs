//! A body inside another text.

use crate::finding::Explanation;

/// A body inside another text.
pub(super) const WRAPPED: Explanation = Explanation {
    code: "body_wrapped",
    title: "the body is wrapped in another encoding",
    advice: "Unwrap it before verification: a queue, a function's event (`isBase64Encoded`), a log or a parser put it into \
             a JSON string, base64, a form or the notation of a programming language.",
};
