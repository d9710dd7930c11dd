//! How serializers write JSON: layouts, and which characters they escape.

use crate::json::{Node, Value};

/// White space between the tokens.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) comma: &'static str,
    pub(super) colon: &'static str,
    /// One level of indentation; `None` on one line.
    pub(super) indent: Option<&'static str>,
    pub(super) line_end: &'static str,
    /// What is inside the brackets, on one line.
    pub(super) padding: &'static str,
    pub(super) empty: Empty,
    pub(super) arrays_on_one_line: bool,
}

/// What an indented layout writes between the brackets of an empty list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Empty {
    Tight,
    Space,
    Line,
    TwoLines,
    /// One line end between braces, two between brackets.
    LineOrTwo,
}

const ONE_LINE: Layout = Layout {
    name: "without spaces",
    comma: ",",
    colon: ":",
    indent: None,
    line_end: "\n",
    padding: "",
    empty: Empty::Tight,
    arrays_on_one_line: false,
};
const INDENTED: Layout = Layout { colon: ": ", indent: Some("  "), name: "indented by 2 spaces", ..ONE_LINE };

impl Layout {
    pub(super) const COMPACT: Self = ONE_LINE;
    /// The layouts that nearly every serializer writes by default.
    pub(super) const COMMON: &[Self] = &[
        Self::COMPACT,
        Self { name: "with `, ` and `: `, as Python does", comma: ", ", colon: ": ", ..ONE_LINE },
        INDENTED,
        Self { name: "indented by 4 spaces", indent: Some("    "), ..INDENTED },
        Self { name: "indented by tabs", indent: Some("\t"), ..INDENTED },
    ];
    /// The other layouts.
    pub(super) const RARE: &[Self] = &[
        Self {
            name: "indented as Jackson does",
            colon: " : ",
            empty: Empty::Space,
            arrays_on_one_line: true,
            ..INDENTED
        },
        Self { name: "indented by 2 spaces, with CRLF, as .NET does", line_end: "\r\n", ..INDENTED },
        Self { name: "indented by 4 spaces, with CRLF", line_end: "\r\n", indent: Some("    "), ..INDENTED },
        Self { name: "indented by tabs, with CRLF", line_end: "\r\n", indent: Some("\t"), ..INDENTED },
        Self { name: "indented as Swift does", colon: " : ", empty: Empty::TwoLines, ..INDENTED },
        Self { name: "indented as Perl does", colon: " : ", indent: Some("   "), ..INDENTED },
        Self { name: "indented as `jsonb_pretty` does", indent: Some("    "), empty: Empty::Line, ..INDENTED },
        Self { name: "indented as Ruby does", empty: Empty::LineOrTwo, ..INDENTED },
        Self { name: "indented by 1 space", indent: Some(" "), ..INDENTED },
        Self { name: "indented by 3 spaces", indent: Some("   "), ..INDENTED },
        Self { name: "indented by 8 spaces", indent: Some("        "), ..INDENTED },
        Self { name: "on several lines, without indentation", indent: Some(""), ..INDENTED },
        Self { name: "indented, with `: ` only", colon: ":", ..INDENTED },
        Self { name: "with `: ` between name and value", colon: ": ", ..ONE_LINE },
        Self { name: "with `, ` between members", comma: ", ", ..ONE_LINE },
        Self { name: "with `, ` and ` : `, as PostgreSQL builds it", comma: ", ", colon: " : ", ..ONE_LINE },
        Self { name: "with ` : ` between name and value", colon: " : ", ..ONE_LINE },
        Self { name: "with spaces inside the brackets", comma: ", ", colon: ": ", padding: " ", ..ONE_LINE },
        Self { name: "with spaces as the Mongo shell writes", comma: ", ", colon: " : ", padding: " ", ..ONE_LINE },
    ];
}

/// How the digits of `\u` are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unicode {
    Lower,
    Upper,
    /// In capitals for ASCII only.
    UpperForAscii,
}

/// Which `/` are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    Plain,
    Escaped,
    /// Only in `</`.
    AfterLessThan,
}

/// Which control characters have a short escape (`\n`); the others are written as `\u`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    All,
    /// `\n`, `\r` and `\t`.
    Lines,
    None,
}

/// Groups of characters, as bits.
pub(super) mod group {
    pub(in super::super) const NON_ASCII: u16 = 1;
    pub(in super::super) const ANGLES: u16 = 1 << 1;
    pub(in super::super) const AMPERSAND: u16 = 1 << 2;
    pub(in super::super) const APOSTROPHE: u16 = 1 << 3;
    pub(in super::super) const QUOTE: u16 = 1 << 4;
    pub(in super::super) const PLUS: u16 = 1 << 5;
    pub(in super::super) const EQUALS: u16 = 1 << 6;
    pub(in super::super) const BACKTICK: u16 = 1 << 7;
    pub(in super::super) const DELETE: u16 = 1 << 8;
    pub(in super::super) const LINE_SEPARATORS: u16 = 1 << 9;
    /// U+0080 to U+009F, and U+2000 to U+20FF.
    pub(in super::super) const SPECIAL: u16 = 1 << 10;
    pub(in super::super) const BACKSLASH: u16 = 1 << 11;
    pub(in super::super) const SLASH: u16 = 1 << 12;
    pub(in super::super) const SHORT: u16 = 1 << 13;
    pub(in super::super) const CONTROL: u16 = 1 << 14;
}

fn groups(character: char) -> u16 {
    match character {
        '<' | '>' => group::ANGLES,
        '&' => group::AMPERSAND,
        '\'' => group::APOSTROPHE,
        '"' => group::QUOTE,
        '+' => group::PLUS,
        '=' => group::EQUALS,
        '`' => group::BACKTICK,
        '/' => group::SLASH,
        '\\' => group::BACKSLASH,
        '\u{7f}' => group::DELETE,
        '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => group::SHORT,
        '\0'..='\u{1f}' => group::CONTROL,
        '\u{2028}' | '\u{2029}' => group::NON_ASCII | group::LINE_SEPARATORS | group::SPECIAL,
        '\u{80}'..='\u{a0}' | '\u{2000}'..='\u{20ff}' => group::NON_ASCII | group::SPECIAL,
        '\u{80}'.. => group::NON_ASCII,
        _ => 0,
    }
}

/// Which characters are escaped, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Escapes {
    /// The groups that are written as `\u`.
    pub(super) unicode: u16,
    pub(super) digits: Unicode,
    pub(super) slash: Slash,
    pub(super) short: Short,
}

impl Escapes {
    pub(super) const PLAIN: Self = Self { unicode: 0, digits: Unicode::Lower, slash: Slash::Plain, short: Short::All };

    /// Whether the character is perhaps not written as it is.
    pub(super) fn concerns(self, character: char) -> bool {
        groups(character)
            & (self.unicode | group::QUOTE | group::BACKSLASH | group::SLASH | group::SHORT | group::CONTROL)
            != 0
    }

    pub(super) fn as_unicode(self, character: char) -> bool {
        match character {
            '\n' | '\r' | '\t' => self.short == Short::None,
            '\u{8}' | '\u{c}' => self.short != Short::All,
            '\0'..='\u{1f}' => true,
            _ => groups(character) & self.unicode != 0,
        }
    }

    pub(super) fn as_slash(self, follows_less_than: bool) -> bool {
        match self.slash {
            Slash::Plain => false,
            Slash::Escaped => true,
            Slash::AfterLessThan => follows_less_than,
        }
    }

    /// The same escapes, without what makes no difference to a text with these characters.
    pub(super) fn within(self, present: u16) -> Self {
        let unicode = self.unicode & present;
        let writes_unicode = unicode | (present & (group::CONTROL | group::SHORT)) != 0;
        Self {
            unicode: if unicode & group::NON_ASCII == 0 {
                unicode
            } else {
                unicode & !(group::LINE_SEPARATORS | group::SPECIAL)
            },
            digits: if writes_unicode { self.digits } else { Unicode::Lower },
            slash: if present & group::SLASH == 0 { Slash::Plain } else { self.slash },
            short: if present & group::SHORT == 0 { Short::All } else { self.short },
        }
    }
}

/// The groups of all characters in a text.
pub(super) fn present_in(text: &str) -> u16 {
    text.chars().fold(0, |all, character| all | groups(character))
}

/// The groups of all characters in the names and strings.
pub(super) fn present(node: &Node) -> u16 {
    let of_text = present_in;
    match &node.value {
        Value::Object(members) => {
            members.iter().fold(0, |all, member| all | of_text(&member.name) | present(&member.value))
        }
        Value::Array(items) => items.iter().fold(0, |all, item| all | present(item)),
        Value::Text(text) => of_text(text),
        Value::Number(_) | Value::Word(_) => 0,
    }
}

const HTML: u16 = group::ANGLES | group::AMPERSAND;
pub(super) const PLAIN: Escapes = Escapes::PLAIN;
const SLASHED: Escapes = Escapes { slash: Slash::Escaped, ..PLAIN };
pub(super) const ASCII: Escapes = Escapes { unicode: group::NON_ASCII | group::DELETE, ..PLAIN };

const fn upper(escapes: Escapes) -> Escapes {
    Escapes { digits: Unicode::Upper, ..escapes }
}

const fn with(escapes: Escapes, unicode: u16) -> Escapes {
    Escapes { unicode: escapes.unicode | unicode, ..escapes }
}

/// The escapes of common serializers, with their description, most likely first.
pub(super) const SERIALIZERS: &[(&str, Escapes)] = &[
    ("", PLAIN),
    (r", with `\u` for what is not ASCII, as Python does", ASCII),
    (r", with `\u` and `\/`, as PHP does", Escapes { slash: Slash::Escaped, ..with(PLAIN, group::NON_ASCII) }),
    (r", with `\u` for `<`, `>` and `&`, as Go does", with(PLAIN, HTML | group::LINE_SEPARATORS)),
    (r", with `\/`, as PHP does with JSON_UNESCAPED_UNICODE", with(SLASHED, group::LINE_SEPARATORS)),
    (r", with `\u` in capitals for what is not ASCII, as Jackson does", upper(with(PLAIN, group::NON_ASCII))),
    (
        ", as System.Text.Json does",
        upper(with(
            PLAIN,
            HTML | group::NON_ASCII | group::APOSTROPHE | group::QUOTE | group::PLUS | group::BACKTICK | group::DELETE,
        )),
    ),
    (", as Gson does", with(PLAIN, HTML | group::APOSTROPHE | group::EQUALS | group::LINE_SEPARATORS)),
    (r", with `\/`", SLASHED),
    (r", with `\u` in capitals", upper(PLAIN)),
    (r", with `\u` for what is not ASCII and for `<`, `>` and `&`", with(ASCII, HTML)),
    (r", with `\/` and with `\u` for `<`, `>` and `&`", with(SLASHED, HTML | group::LINE_SEPARATORS)),
    (r", with `\/` and with `\u` for what is not ASCII and for `<`, `>` and `&`", with(SLASHED, ASCII.unicode | HTML)),
    (r", with `\u` for `&`", with(PLAIN, group::AMPERSAND)),
    (r", with `\u` for `&` and with `\/`", with(SLASHED, group::AMPERSAND)),
    (
        ", as PHP does with its JSON_HEX flags",
        Escapes {
            digits: Unicode::UpperForAscii,
            ..with(SLASHED, HTML | group::APOSTROPHE | group::QUOTE | group::NON_ASCII)
        },
    ),
    (
        r", as PHP does with its JSON_HEX flags, without `\/`",
        Escapes {
            digits: Unicode::UpperForAscii,
            ..with(PLAIN, HTML | group::APOSTROPHE | group::QUOTE | group::NON_ASCII)
        },
    ),
    (", as PHP does with its JSON_HEX flags and JSON_UNESCAPED_UNICODE", {
        upper(with(SLASHED, HTML | group::APOSTROPHE | group::QUOTE))
    }),
    (", as Newtonsoft.Json does with EscapeHtml", with(PLAIN, HTML | group::APOSTROPHE | group::QUOTE)),
    (", as JavaScriptSerializer does", with(PLAIN, HTML | group::APOSTROPHE)),
    (", as org.json does", Escapes { slash: Slash::AfterLessThan, ..with(PLAIN, group::SPECIAL) }),
    (", as JSON.simple does", upper(with(SLASHED, group::SPECIAL | group::DELETE))),
    (r", with `\u` for `<` and `>`", with(PLAIN, group::ANGLES | group::DELETE)),
    (r", with `\u0008` and `\u000c`, as Go does", Escapes { short: Short::Lines, ..with(PLAIN, HTML) }),
    (r", with `\u` for every control character", Escapes { short: Short::None, ..PLAIN }),
];

/// Every combination of escapes that makes a difference to these characters.
pub(super) fn combinations(present: u16) -> impl Iterator<Item = Escapes> {
    const TOGGLES: [u16; 11] = [
        group::NON_ASCII,
        group::AMPERSAND,
        group::ANGLES,
        group::APOSTROPHE,
        group::QUOTE,
        group::PLUS,
        group::EQUALS,
        group::BACKTICK,
        group::DELETE,
        group::LINE_SEPARATORS,
        group::SPECIAL,
    ];
    let toggles: Vec<_> = TOGGLES.into_iter().filter(|bit| present & bit != 0).collect();
    let subsets = (0..1_u32 << toggles.len()).map(move |chosen| {
        toggles.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).fold(0, |all, (_, bit)| all | bit)
    });
    subsets
        .flat_map(move |unicode| {
            [Slash::Plain, Slash::Escaped, Slash::AfterLessThan].into_iter().flat_map(move |slash| {
                [Short::All, Short::Lines, Short::None].into_iter().flat_map(move |short| {
                    [Unicode::Lower, Unicode::Upper].map(|digits| Escapes { unicode, digits, slash, short })
                })
            })
        })
        .filter(move |escapes| escapes.within(present) == *escapes)
}
