//! The code pages of Windows consoles, which the Encoding Standard does not have.

use std::collections::HashMap;

/// The characters of the bytes from 0x80 to 0xFF.
pub(super) struct CodePage {
    pub(super) name: &'static str,
    upper: &'static str,
}

pub(super) const CODE_PAGES: &[CodePage] = &[
    CodePage {
        name: "code page 437 (a Windows console)",
        upper: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
    CodePage {
        name: "code page 850 (a Windows console)",
        upper: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    },
];

impl CodePage {
    /// The bytes that this text has in the code page.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let bytes: HashMap<char, u8> = self.upper.chars().zip(0x80..=u8::MAX).collect();
        let byte = |character: char| match u8::try_from(character) {
            Ok(byte) if byte < 0x80 => Some(byte),
            _ => bytes.get(&character).copied(),
        };
        text.chars().map(byte).collect()
    }

    /// The text that these bytes are in the code page.
    pub(super) fn decode(&self, bytes: &[u8]) -> String {
        let upper: Vec<_> = self.upper.chars().collect();
        let character = |byte: &u8| match byte {
            0..0x80 => char::from(*byte),
            _ => upper.get(usize::from(*byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        bytes.iter().map(character).collect()
    }
}
