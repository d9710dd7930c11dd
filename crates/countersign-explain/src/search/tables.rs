//! The transformations of bodies, in the order in which they are tried.

use super::step::Transform;
use super::undo::looks;
use super::{encodings, recompress, respell, rewrap, undo};

/// A wrapping, which is undone only where a body looks like it.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) fits: fn(&[u8]) -> bool,
    pub(super) undo: Transform,
}

const fn form(fits: fn(&[u8]) -> bool, undo: Transform) -> Form {
    Form { fits, undo }
}

/// Wrappings: transformations that have few results, and are combined with each other. Those with a look of their own
/// come first, so that a large body in one of them is found before anything is guessed.
pub(super) const UNWRAP: &[Form] = &[
    form(looks::dump, undo::hex_dump),
    form(looks::list, undo::buffer),
    form(looks::numbers, undo::byte_list),
    form(looks::escaped_bytes, undo::python_bytes),
    form(looks::string, undo::json_string),
    form(looks::base64, undo::base64),
    form(looks::no_json, undo::armored),
    form(looks::digits, undo::hexadecimal),
    form(looks::any, undo::inflated),
    form(looks::wide, encodings::utf16),
    form(looks::named_by_json, undo::names_as_body),
    form(looks::entities, encodings::without_entities),
    form(looks::decomposed, encodings::composed),
    form(looks::chunks, undo::chunked),
    form(looks::any, undo::trailing_newline),
    form(looks::any, undo::byte_order_mark),
    form(looks::any, undo::line_ends),
    form(looks::any, undo::members),
    form(looks::no_json, undo::fields),
    form(looks::any, undo::percent_decoded),
    form(looks::any, undo::quoted_text),
    form(looks::any, undo::slashes),
    form(looks::any, undo::head),
    form(looks::any, undo::multipart),
    form(looks::any, undo::quoted_printable),
    form(looks::any, undo::framed),
    form(looks::any, undo::surrounded),
    form(looks::any, undo::doubled),
    form(looks::any, respell::literal),
    form(looks::any, respell::unescaped),
    form(looks::any, encodings::misread),
    form(looks::any, encodings::surrogates),
];

/// Encodings: the same, but slow.
pub(super) const DECODE: &[Form] = &[
    form(looks::any, encodings::narrow),
    form(looks::any, encodings::normal_forms),
    form(looks::any, encodings::entities),
    form(looks::any, encodings::typographic),
];

/// Other spellings of JSON. They have more results.
pub(super) const RESPELL: &[Transform] =
    &[respell::common, respell::printed, respell::lost_fractions, respell::rewritten_numbers];

/// What something else has lost, and can be guessed. They have many results.
pub(super) const GUESS: &[Transform] = &[
    respell::empty_values,
    respell::dates,
    respell::quoted_numbers,
    respell::words,
    respell::renamed,
    respell::added,
    respell::dropped,
    encodings::question_marks,
    respell::lost_digits,
    respell::rare,
    respell::shuffled,
    respell::shuffled_layouts,
];

/// Changes to values, which another serializer may have written besides.
pub(super) const VALUES: &[Transform] = &[
    respell::lost_fractions,
    respell::rewritten_numbers,
    respell::dates,
    respell::empty_values,
    respell::quoted_numbers,
    respell::words,
    respell::renamed,
];

/// The other direction.
pub(super) const REWRAP: &[Transform] = &[rewrap::rewrapped];
/// The same for compression, which is too slow for more than the captured body.
pub(super) const RECOMPRESS: &[Transform] = &[recompress::recompressed];

/// The tables whose transformations are undone from what was captured.
#[cfg(test)]
pub(super) fn all() -> [(&'static str, Vec<Transform>); 5] {
    let undo = |forms: &[Form]| forms.iter().map(|form| form.undo).collect();
    [
        ("UNWRAP", undo(UNWRAP)),
        ("DECODE", undo(DECODE)),
        ("RESPELL", RESPELL.to_vec()),
        ("GUESS", GUESS.to_vec()),
        ("VALUES", VALUES.to_vec()),
    ]
}
