//! Receipts as text.

use countersign_inbox::{DeliveryId, Receipt};

/// A receipt as the backend gets it and sends it back.
pub(super) fn text(receipt: &Receipt) -> String {
    format!("{}-{}", receipt.delivery(), receipt.number())
}

/// The receipt in a text. No store counts beyond `i64::MAX`.
pub(super) fn parse(text: &str) -> Option<Receipt> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| digits).and_then(|number| u64::try_from(number).ok())
    };
    let (delivery, lease) = text.split_once('-')?;
    Some(Receipt::new(DeliveryId::new(number(delivery)?), number(lease)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_as_it_was_written_and_nothing_else_is() {
        assert_eq!(text(&parse("17-4").expect("a receipt")), "17-4");
        for wrong in ["", "17", "17-", "-4", "17-4-1", "+17-4", "17-x", "9223372036854775808-1"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
