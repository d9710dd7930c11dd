use http::HeaderValue;

pub(super) fn ascii(text: &str) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "base64, commas and spaces may stand in a header")]
    HeaderValue::from_str(text).expect("visible ASCII")
}
