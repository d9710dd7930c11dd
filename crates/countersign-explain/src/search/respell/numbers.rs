//! Numbers that a parser and a serializer have rewritten: `1.0` becomes `1`, `10.50` becomes `10.5`.

use std::ops::Range;

use super::super::step::Variants;
use super::tree::{parsed, splice};
use super::values::{Plan, all_then_each};
use crate::finding::Explanation;

/// How many numbers are changed one by one.
const MAX_SINGLE: usize = 64;
/// Of how many numbers, or names, every selection is tried.
const MAX_SUBSET: usize = 8;
/// How many integers are tried in place of one that a float cannot hold.
const MAX_NEIGHBOURS: i128 = 2048;

const ZEROS_LOST: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and its numbers have lost their zeros",
    advice: "Verify the bytes as received, and parse them afterwards. JavaScript and others write `1.0` as `1` and `10.50` \
             as `10.5`, so `JSON.stringify(req.body)` gives other bytes: use `express.raw({type: '*/*'})` in Express, \
             `await request.text()` in fetch handlers.",
};
const REWRITTEN: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and its numbers were rewritten",
    advice: "Verify the bytes as received, and parse them afterwards: each language writes numbers in its own way.",
};
const DIGITS_LOST: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and a long integer has lost digits",
    advice: "Verify the bytes as received. JavaScript and others read every number as a 64-bit float, which holds integers \
             only up to 9007199254740991: read such ids as text or as big integers, too, or they are wrong.",
};

struct Number<'t> {
    name: String,
    span: Range<usize>,
    text: &'t str,
}

/// A way to write a number; `None` if it changes nothing.
type Rewrite = fn(&str) -> Option<String>;

const FRACTIONS: &[(Rewrite, &str)] = &[
    (|text| is_integer(text).then(|| format!("{text}.0")), "`.0` is put behind"),
    (|text| padded(text, 2), "two decimals are written for"),
    (|text| (!is_integer(text)).then(|| padded(text, 2))?, "the second decimal is restored for"),
    (|text| is_integer(text).then(|| format!("{text}.00")), "`.00` is put behind"),
    (|text| padded(text, 3), "three decimals are written for"),
    (|text| padded(text, 4), "four decimals are written for"),
    (|text| padded(text, 6), "six decimals are written for"),
    (|text| padded(text, 8), "eight decimals are written for"),
    (|text| (!is_integer(text) && !text.contains(['e', 'E'])).then(|| format!("{text}0")), "a zero is put behind"),
];

/// The ways in which serializers write all numbers.
const STYLES: &[(Rewrite, &str)] = &[
    (javascript, "as JavaScript does"),
    (python, "as Python does"),
    (|text| exponent(text, "E", ""), "with an exponent (1E3)"),
    (|text| exponent(text, "e", ""), "with an exponent (1e3)"),
    (|text| exponent(text, "e", "+"), "with an exponent (1e+3)"),
    (|text| exponent(text, "E", "+"), "with an exponent (1E+3)"),
    (|text| exponent(text, ".0E", ""), "with an exponent (1.0E3)"),
    (|text| exponent(text, ".0e+", ""), "with an exponent (1.0e+3)"),
    (|text| exponent(text, ".0E", "+"), "with an exponent (1.0E+3)"),
    (plain, "without an exponent"),
    (|text| (text == "0").then(|| "-0.0".to_owned()), "with a sign (-0.0)"),
    (|text| (text == "0").then(|| "-0".to_owned()), "with a sign (-0)"),
    (|text| java(text), "as Java does (1.0E7)"),
];

/// Which numbers are changed.
#[derive(Clone, Copy)]
enum Choice {
    All,
    /// Those of one name.
    Name(usize),
    /// Those of several names, as bits.
    Names(usize),
    One(usize),
    /// Several, as bits.
    Several(usize),
}

impl Choice {
    /// Every choice among so many numbers that have so many names, the simple ones first.
    fn every(numbers: usize, names: usize) -> [Vec<Self>; 5] {
        let subsets = |len: usize| -> Range<usize> { if len <= MAX_SUBSET { 1..1 << len } else { 0..0 } };
        let several = if numbers > names { subsets(numbers) } else { 0..0 };
        [
            vec![Self::All],
            (0..names.min(MAX_SINGLE)).map(Self::Name).collect(),
            subsets(names).filter(|chosen| chosen.count_ones() > 1).map(Self::Names).collect(),
            (0..numbers.min(MAX_SINGLE)).map(Self::One).collect(),
            several.map(Self::Several).collect(),
        ]
    }

    /// Whether it has the number at this place, with this name.
    fn has(self, at: usize, name: usize) -> bool {
        match self {
            Self::All => true,
            Self::Name(chosen) => name == chosen,
            Self::Names(chosen) => name < MAX_SUBSET && chosen >> name & 1 == 1,
            Self::One(chosen) => at == chosen,
            Self::Several(chosen) => at < MAX_SUBSET && chosen >> at & 1 == 1,
        }
    }

    fn shown(self, names: &[String]) -> String {
        let shown = |name: &String| format!("`{}`", crate::shown::shown(name));
        match self {
            Self::All => "every number".into(),
            Self::Name(chosen) => shown(&names[chosen]),
            Self::Names(_) => {
                let chosen = names.iter().enumerate().filter(|(name, _)| self.has(0, *name));
                chosen.map(|(_, name)| shown(name)).collect::<Vec<_>>().join(", ")
            }
            Self::One(chosen) => format!("number {}", chosen + 1),
            Self::Several(_) => "some numbers".into(),
        }
    }
}

/// Fractions of zeros are put back: behind all numbers, all of one name, one, or some.
pub(in super::super) fn lost_fractions(body: &[u8]) -> Variants<'_> {
    let Some((text, numbers)) = numbers(body) else { return Box::new(std::iter::empty()) };
    let mut names: Vec<_> = numbers.iter().map(|number| number.name.clone()).collect();
    names.sort();
    names.dedup();
    let places: Vec<_> = numbers.iter().map(|number| names.binary_search(&number.name).unwrap_or_default()).collect();
    let kinds = Choice::every(numbers.len(), names.len()).into_iter();
    let plans = kinds.flat_map(|choices| {
        FRACTIONS.iter().flat_map(move |fraction| choices.clone().into_iter().map(move |choice| (fraction, choice)))
    });
    Box::new(plans.filter_map(move |((rewrite, what), choice)| {
        let chosen = numbers.iter().enumerate().filter(|(at, _)| choice.has(*at, places[*at]));
        let edits: Vec<_> =
            chosen.filter_map(|(_, number)| Some((number.span.clone(), rewrite(number.text)?))).collect();
        let once = || format!("{what} {}", choice.shown(&names));
        (!edits.is_empty()).then(|| ZEROS_LOST.variant(once(), splice(text, &edits)))
    }))
}

/// All numbers, or one, as other languages write them.
pub(in super::super) fn rewritten(body: &[u8]) -> Variants<'_> {
    let Some((text, numbers)) = numbers(body) else { return Box::new(std::iter::empty()) };
    let plan = |(rewrite, how): &(Rewrite, &str)| {
        let edits = numbers.iter().filter_map(|number| Some((number.span.clone(), rewrite(number.text)?)));
        Plan { once: format!("its numbers are written {how}"), edits: edits.collect() }
    };
    all_then_each(&REWRITTEN, text, STYLES.iter().map(plan))
}

/// An integer that a float cannot hold: each one that becomes the same float.
pub(in super::super) fn lost_digits(body: &[u8]) -> Variants<'_> {
    let Some((text, numbers)) = numbers(body) else { return Box::new(std::iter::empty()) };
    let long = numbers.into_iter().filter_map(|number| Some((as_float(&number)?, number)));
    Box::new(long.take(4).flat_map(move |((written, float), number)| {
        let candidates = (-MAX_NEIGHBOURS..=MAX_NEIGHBOURS).map(move |offset| written + offset);
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "the lost precision is what is looked for")]
        let is_same = move |integer: &i128| *integer as f64 == float && *integer != written;
        candidates.filter(is_same).map(move |integer| {
            let body = splice(text, &[(number.span.clone(), integer.to_string())]);
            let name = crate::shown::shown(&number.name);
            DIGITS_LOST.variant(format!("`{name}` is {integer}, which a 64-bit float cannot hold"), body)
        })
    }))
}

/// The integer beyond 2^53 that is written, and the float that it is.
fn as_float(number: &Number<'_>) -> Option<(i128, f64)> {
    let float: f64 = number.text.parse().ok()?;
    let is_long = float.abs() > 9_007_199_254_740_992.0 && float.abs() < 1e20;
    #[expect(clippy::cast_possible_truncation, reason = "the float is below 1e20")]
    is_long.then(|| (number.text.parse().unwrap_or(float as i128), float))
}

fn numbers(body: &[u8]) -> Option<(&str, Vec<Number<'_>>)> {
    let (text, node) = parsed(body)?;
    let mut numbers = Vec::new();
    node.walk("", &mut |name, node| {
        if matches!(node.value, crate::json::Value::Number(_)) {
            numbers.push(Number { name: name.to_owned(), span: node.span.clone(), text: &text[node.span.clone()] });
        }
    });
    (!numbers.is_empty()).then_some((text, numbers))
}

fn is_integer(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// With this many decimals, if it has fewer.
fn padded(text: &str, decimals: usize) -> Option<String> {
    let written = match text.split_once('.') {
        _ if text.contains(['e', 'E']) => return None,
        Some((_, fraction)) => fraction.len(),
        None => 0,
    };
    let dot = if written == 0 { "." } else { "" };
    (written < decimals).then(|| format!("{text}{dot}{}", "0".repeat(decimals - written)))
}

fn unless_same(text: &str, written: String) -> Option<String> {
    (written != text).then_some(written)
}

/// The digits of a number without its point, and the power of ten of the first one.
fn scientific(text: &str) -> Option<(String, i32)> {
    let written = format!("{:e}", text.parse::<f64>().ok()?);
    let (digits, power) = written.split_once('e')?;
    Some((digits.to_owned(), power.parse().ok()?))
}

fn plain(text: &str) -> Option<String> {
    let float: f64 = text.parse().ok().filter(|_| text.contains(['e', 'E']))?;
    unless_same(text, format!("{float}"))
}

fn javascript(text: &str) -> Option<String> {
    let float: f64 = text.parse().ok()?;
    let (digits, power) = scientific(text)?;
    let written = if (-6..21).contains(&power) || float == 0.0 {
        format!("{float}")
    } else {
        format!("{digits}e{}{power}", if power < 0 { "" } else { "+" })
    };
    unless_same(text, written)
}

fn python(text: &str) -> Option<String> {
    if is_integer(text) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    let (digits, power) = scientific(text)?;
    let written = if (-4..16).contains(&power) || float == 0.0 {
        format!("{float:?}")
    } else {
        format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
    };
    unless_same(text, written)
}

fn java(text: &str) -> Option<String> {
    if is_integer(text) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    let (digits, power) = scientific(text)?;
    let dot = if digits.contains('.') { "" } else { ".0" };
    let written =
        if (-3..7).contains(&power) || float == 0.0 { format!("{float:?}") } else { format!("{digits}{dot}E{power}") };
    unless_same(text, written)
}

fn exponent(text: &str, letter: &str, plus: &str) -> Option<String> {
    let (digits, power) = scientific(text)?;
    let is_second_point = digits.contains('.') && letter.starts_with('.');
    let is_worth = !is_second_point && !(-3..=1).contains(&power);
    is_worth.then(|| format!("{digits}{letter}{}{power}", if power > 0 { plus } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_numbers() {
        for (text, js, py, jv) in [
            ("10.50", "10.5", "10.5", "10.5"),
            ("1E3", "1000", "1000.0", "1000.0"),
            ("136.0", "136", "136.0", "136.0"),
            ("1e21", "1e+21", "1e+21", "1.0E21"),
            ("1e-7", "1e-7", "1e-07", "1.0E-7"),
            ("0.00001", "0.00001", "1e-05", "1.0E-5"),
        ] {
            let or_same = |written: Option<String>| written.unwrap_or_else(|| text.into());
            assert_eq!([or_same(javascript(text)), or_same(python(text)), or_same(java(text))], [js, py, jv], "{text}");
        }
    }

    #[test]
    fn an_exponent_is_written_out_or_signed() {
        assert_eq!(plain("1e-7").as_deref(), Some("0.0000001"));
        assert_eq!(plain("10.5"), None);
        assert_eq!(exponent("100.0", ".0E", "+").as_deref(), Some("1.0E+2"));
    }

    #[test]
    fn an_id_beyond_53_bits_is_found() {
        let wrong = br#"{"id":1234567890123456800}"#;
        assert!(lost_digits(wrong).any(|variant| variant.body == r#"{"id":1234567890123456789}"#.as_bytes()));
        assert_eq!(lost_digits(br#"{"id":9007199254740991}"#).count(), 0);
    }
}
