//! Characters that HTML, editors and chats replace.

use html_escape::{decode_html_entities, encode_double_quoted_attribute, encode_safe, encode_text};

use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

const ESCAPED: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was escaped for HTML, or unescaped",
    advice: "Verify the bytes as received, not as a web page or a template shows them: `&quot;` and `&amp;` come from a filter of \
             input, from a template, or from copying the source of a page.",
};
const TYPOGRAPHIC: Explanation = Explanation {
    code: "body_recoded",
    title: "the quotes, dashes or spaces of the body were replaced by typographic ones",
    advice: "Capture the bytes, not text from a document or a chat: word processors and messengers replace them.",
};

/// HTML's entities undone.
pub(in super::super) fn without_entities(body: &[u8]) -> Variants<'_> {
    let decoded = text(body).filter(|text| text.contains('&')).map(|text| decode_html_entities(text).into_owned());
    one(decoded.map(|text| ESCAPED.variant("the HTML entities in the body are undone", text)))
}

/// How templates and filters write entities.
const WRITTEN: &[fn(&str) -> String] = &[
    |text| encode_text(text).into_owned(),
    php,
    |text| php(text).replace("&#039;", "&#x27;"),
    |text| encode_safe(text).into_owned(),
    |text| text.replace('<', "&lt;").replace('>', "&gt;"),
    |text| text.replace('&', "&amp;"),
];

/// As `htmlspecialchars` does.
fn php(text: &str) -> String {
    encode_double_quoted_attribute(text).replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#039;")
}

/// HTML's entities undone, or written.
pub(in super::super) fn entities(body: &[u8]) -> Variants<'_> {
    let decoded = without_entities(body);
    let Some(text) = text(body) else { return one(None) };
    let is_markup = text.contains(['&', '<', '>', '"', '\'']);
    let written = WRITTEN.iter().filter(move |_| is_markup);
    let written =
        written.map(move |write| ESCAPED.variant("the characters of HTML are written as entities", write(text)));
    Box::new(decoded.chain(written))
}

/// “Quotes”, dashes, ellipses and spaces replaced by those of ASCII.
pub(in super::super) fn typographic(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| !text.is_ascii()) else { return one(None) };
    let quotes = text.replace(['“', '”', '„', '«', '»'], "\"").replace(['‘', '’', '‚'], "'");
    let spaces = text.replace(['\u{a0}', '\u{202f}', '\u{2007}'], " ");
    let invisible = text.replace(['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'], "");
    let all = quotes.replace(['\u{a0}', '\u{202f}'], " ").replace(['–', '—'], "--").replace('…', "...");
    let all_short = all.replace("--", "-");
    Box::new(
        [
            TYPOGRAPHIC.variant("its typographic quotes are replaced by plain ones", quotes),
            TYPOGRAPHIC.variant("its no-break spaces are replaced by spaces", spaces),
            TYPOGRAPHIC.variant("its invisible characters are removed", invisible),
            TYPOGRAPHIC.variant("its typographic characters are replaced by those of ASCII", all),
            TYPOGRAPHIC.variant("its typographic characters are replaced by those of ASCII", all_short),
        ]
        .into_iter(),
    )
}
