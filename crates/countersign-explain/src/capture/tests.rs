//! Captures in every form that people paste.

use super::*;

#[test]
fn a_head_ends_at_the_first_empty_line() {
    let capture = from_raw(b"POST /x HTTP/1.1\r\nWebhook-Id:  a \r\n\r\n{}\n\n").expect("a request");
    assert_eq!(
        (&capture.headers["webhook-id"], &capture.body[..]),
        (&http::HeaderValue::from_static("a"), &b"{}\n\n"[..])
    );
    let capture = from_raw(b"webhook-id: a\n\na\r\n\r\nb").expect("a request");
    assert_eq!(capture.body, "a\r\n\r\nb");
    assert!(from_raw(b"webhook-id: a\n").is_err());
}

#[test]
fn only_an_object_is_a_request() {
    let request = |text: &str| from_request(text.as_bytes()).map(|capture| capture.body);
    assert_eq!(request(r#"{"headers":{},"body":"a"}"#), Ok("a".into()));
    for text in [r#"[{},"a",null,false]"#, "[]", "null", r#""a""#, "{}"] {
        assert!(request(text).is_err_and(|error| error.starts_with("not a request as JSON")), "{text}");
    }
}

#[test]
fn headers_are_read_in_every_form() {
    for text in [
        "POST http://localhost/ HTTP/1.1\nWebhook-Id: a\nwebhook-id: b\n",
        "\u{feff}Webhook-Id: a\r\nWebhook-Id: b\r\n",
        "* Connected\n> POST /x HTTP/2\n> webhook-id: a\n> webhook-id: b\n>\n< HTTP/2 200\n< date: c\n",
        ":method: POST\nwebhook-id:\na\nwebhook-id:\nb\n",
        "Key         Value\n---         -----\nWebhook-Id  {a}\nWebhook-Id  b\n",
        "Key   : webhook-id\nValue : {a}\n\nKey   : webhook-id\nValue : {b}\n",
        "Array\n(\n    [webhook-id] => a\n    [webhook-id] => b\n)\n",
        "map[Webhook-Id:[a] webhook-id:[b]]",
        "curl https://x.example -H 'Webhook-Id: a' \\\n  --header \"webhook-id: b\" -d x",
        "-H 'webhook-id: a' \\\n-H 'webhook-id: b'",
        r#"{"Webhook-Id": ["a", "b"]}"#,
        r#"[["Webhook-Id", "a"], ["webhook-id", "b"]]"#,
        r#"["Webhook-Id", "a", "webhook-id", "b"]"#,
        r#"["Webhook-Id: a", "webhook-id: b"]"#,
        r#"[{"name": "Webhook-Id", "value": "a"}, {"key": "webhook-id", "value": "b"}]"#,
        r#"{"webhook-id": [{"key": "Webhook-Id", "value": "a"}, {"value": "b"}], "x": null}"#,
        r#"{"request": {"rawHeaders": ["Webhook-Id", "a", "webhook-id", "b"]}}"#,
        "{'Webhook-Id': 'a', 'webhook-id': 'b'}",
        "[(b'webhook-id', b'a'), (b'webhook-id', b'b')]",
        "Headers([('webhook-id', 'a'), ('webhook-id', 'b')])",
        "Object [Map] { 'webhook-id' => 'a', 'Webhook-Id' => 'b' }".replacen("Object [Map]", "Map(2)", 1).as_str(),
        r#"{"webhook-id"=>"a", "Webhook-Id"=>"b"}"#,
        "{webhook-id=[a], Webhook-Id=[b]}",
        "Array\n(\n    [webhook-id] => Array\n        (\n            [0] => a\n            [1] => b\n        )\n\n)\n",
        "$VAR1 = {\n          'Webhook-Id' => 'a',\n          'webhook-id' => 'b'\n        };\n",
        "[webhook-id, a]\n[Webhook-Id, b]\n",
        "array:1 [\n  \"webhook-id\" => array:2 [\n    0 => \"a\"\n    1 => \"b\"\n  ]\n]\n",
        "http.Header{\"Webhook-Id\":[]string{\"a\", \"b\"}}",
        "[{\"webhook-id\", \"a\"}, {\"webhook-id\", \"b\"}]",
        "<CIMultiDictProxy('Webhook-Id': 'a', 'webhook-id': 'b')>",
        "CaseInsensitiveDict({'Webhook-Id': 'a', 'webhook-id': 'b'})",
        "Headers {\n  [Symbol(headers list)]: HeadersList {\n    cookies: null,\n    [Symbol(headers map)]: Map(2) {\n      'webhook-id' => { name: 'webhook-id', value: 'a' },\n      'Webhook-Id' => { name: 'x', value: 'b' }\n    }\n  }\n}",
        "array(1) {\n  [\"Webhook-Id\"]=>\n  array(2) {\n    [0]=>\n    string(1) \"a\"\n    [1]=>\n    string(1) \"b\"\n  }\n}\n",
        "| Name | Value |\n|------|-------|\n| Webhook-Id | a |\n| webhook-id | b |\n",
        "< POST /x HTTP/1.1\n< webhook-id: a\n< webhook-id: b\n< \n> HTTP/1.1 200 OK\n> date: c\n",
        "POST https://x.example/hooks\nWebhook-Id: a\nwebhook-id: b\n",
        r#"[{"Webhook-Id": "a"}, {"webhook-id": "b"}]"#,
    ] {
        let headers = from_headers(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(headers.get_all("webhook-id").iter().collect::<Vec<_>>(), ["a", "b"], "{text}");
    }
    let folded = from_headers(b"webhook-id: a\nwebhook-signature: v1,ab\n\tcd+/=\nx: y\n  z\n").expect("headers");
    assert_eq!(
        (&folded["webhook-signature"], &folded["x"]),
        (&"v1,ab cd+/=".parse().expect("a value"), &"y z".parse().expect("a value"))
    );
    let wide: Vec<u8> = "\u{feff}webhook-id: a\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(from_headers(&wide).expect("headers")["webhook-id"], "a");
    for text in ["webhook-id", r#"{"webhook-id": {}}"#, "[1]", "{", "a b: c", "{\"a\": \"b\\n\"}"] {
        assert!(from_headers(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn requests_are_read_in_every_form() {
    for text in [
        r#"{"headers":{"webhook-id":"a"},"body":"b"}"#,
        r#"{"headers":{"webhook-id":"a"},"body_base64":"Yg=="}"#,
        r#"{"headers":null,"multiValueHeaders":{"Webhook-Id":["a"]},"body":"Yg==","isBase64Encoded":true}"#,
        r#"{"headers":{"webhook-id":[{"key":"Webhook-Id","value":"a"}]},"body":{"data":"Yg==","encoding":"base64"}}"#,
        r#"{"Records":[{"cf":{"request":{"headers":{"webhook-id":[{"value":"a"}]},"body":{"data":"Yg==","encoding":"base64"}}}}]}"#,
        r#"{"log":{"entries":[{"request":{"headers":[{"name":"webhook-id","value":"a"}],"postData":{"mimeType":"x","text":"b"}}}]}}"#,
        r#"{"requests":[{"request":{"headers":{"Webhook-Id":["a"]},"raw":"UE9TVCAvIEhUVFAvMS4xDQpXZWJob29rLUlkOiBhDQoNCmI="}}]}"#,
        r#"{"request":{"header":[{"key":"webhook-id","value":"a"}],"body":{"mode":"raw","raw":"b"}}}"#,
        r#"{"http_webhook_id":"a","request_body":"b"}"#,
        r#"{"headers":{"webhook-id":"a"},"rawBody":{"type":"Buffer","data":[98]}}"#,
        "{'headers': {'webhook-id': 'a'}, 'body': 'b'}",
        "curl 'https://x.example/' -H 'webhook-id: a' --data-raw 'b'",
        "POST / HTTP/1.1\r\nwebhook-id: a\r\n\r\nb",
        "> POST / HTTP/1.1\n> webhook-id: a\n> \nb",
        // API Gateway v2, Azure Functions, Google Cloud Functions, smee.io, webhook.site, Charles, Insomnia, Postman.
        r#"{"version":"2.0","headers":{"webhook-id":"a"},"requestContext":{"http":{"method":"POST"}},"body":"Yg==","isBase64Encoded":true}"#,
        r#"{"req":{"headers":{"webhook-id":"a"},"body":{"parsed":1},"rawBody":"b"}}"#,
        r#"{"Data":{"req":{"Headers":{"webhook-id":["a"]},"Body":"b"}},"Metadata":{}}"#,
        r#"{"headers":{"webhook-id":"a"},"body":{"parsed":1},"rawBody":{"type":"Buffer","data":[98]}}"#,
        r#"{"host":"x","webhook-id":"a","webhook-signature":"v1,x","body":"b","timestamp":1}"#,
        r#"{"data":[{"uuid":"1","method":"POST","headers":{"webhook-id":["a"]},"content":"b"}]}"#,
        r#"[{"request":{"header":{"firstLine":"POST /","headers":[{"name":"webhook-id","value":"a"}]},"body":{"text":"b","charset":"UTF-8"}}}]"#,
        r#"{"resources":[{"_type":"request","headers":[{"name":"webhook-id","value":"a"}],"body":{"mimeType":"x","text":"b"}}]}"#,
        r#"{"item":[{"item":[{"request":{"header":[{"key":"webhook-id","value":"a"}],"body":{"mode":"raw","raw":"b"}}}]}]}"#,
        // Of several requests, the one with a signature.
        r#"{"log":{"entries":[{"request":{"headers":[{"name":"x","value":"y"}]}},{"request":{"headers":[{"name":"webhook-id","value":"a"},{"name":"webhook-signature","value":"v1,x"}],"postData":{"text":"b"}}}]}}"#,
        // An envelope of a queue.
        r#"{"Records":[{"messageId":"1","body":"{\"headers\":{\"webhook-id\":\"a\"},\"body\":\"b\"}"}]}"#,
        // Environments of Ruby and Python.
        r#"{"HTTP_WEBHOOK_ID"=>"a", "rack.input"=>#<StringIO:0x1>, "REQUEST_METHOD"=>"POST", "body"=>"b"}"#,
        "{'HTTP_WEBHOOK_ID': 'a', 'wsgi.input': <_io.BytesIO object at 0x1>, 'wsgi.version': (1, 0), 'body': b'b'}",
        // Node's objects, and a log line around them.
        "2026-09-29T06:05:46.000Z\tINFO\t{ headers: { host: 'x', 'webhook-id': 'a' }, body: 'b' }",
        "IncomingMessage {\n  _events: [Object: null prototype] {},\n  socket: <ref *1> Socket { end: [Function: end] },\n  headers: { 'webhook-id': 'a' },\n  body: <Buffer 62>,\n  [Symbol(kCapture)]: false\n}",
        "fetch(\"https://x.example/\", {\n  \"headers\": {\n    \"webhook-id\": \"a\"\n  },\n  \"body\": \"b\",\n  \"method\": \"POST\"\n});",
        // Commands, and what clients print.
        "curl \"https://x.example/\" ^\n  -H \"webhook-id: a\" ^\n  --data-raw ^\"b^\"",
        "Invoke-WebRequest -Uri \"https://x.example/\" -Method POST -Headers @{ \"webhook-id\"=\"a\" } -Body \"b\"",
        "=> Send header, 34 bytes (0x22)\n0000: POST / HTTP/1.1\n0011: webhook-id: a\n0020: \n=> Send data, 1 bytes (0x1)\n0000: b\n",
        "POST / HTTP/1.1\nwebhook-id: a\n\nb\n\n\nHTTP/1.1 401 Unauthorized\ndate: c\n\n",
        "\"POST / HTTP/1.1\\r\\nwebhook-id: a\\r\\n\\r\\nb\"",
        "b'POST / HTTP/1.1\\r\\nwebhook-id: a\\r\\n\\r\\nb'",
        "127.0.0.1 http_webhook_id=\"a\" http_webhook_signature=\"v1,x\" request_body=\"b\"",
        // Dumps and encodings.
        "00000000  50 4f 53 54 20 2f 20 48  54 54 50 2f 31 2e 31 0d  |POST / HTTP/1.1.|\n\
         00000010  0a 77 65 62 68 6f 6f 6b  2d 69 64 3a 20 61 0d 0a  |.webhook-id: a..|\n\
         00000020  0d 0a 62                                          |..b|\n00000023\n",
        "504f5354202f20485454502f312e310d0a776562686f6f6b2d69643a20610d0a0d0a62",
        "UE9TVCAvIEhUVFAvMS4xDQp3ZWJob29rLWlkOiBhDQp4LXBhZGRpbmc6IDAxMjM0NTY3ODkNCg0KYg==",
    ] {
        let capture = from_request(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(
            (&capture.headers["webhook-id"], &capture.body[..]),
            (&"a".parse().expect("a value"), &b"b"[..]),
            "{text}"
        );
    }
    let parsed = from_request(br#"{"headers":{},"body":{"a": 1}}"#).expect("a request");
    assert_eq!(parsed.body, r#"{"a": 1}"#);
}

#[test]
fn a_missing_part_is_named_with_the_command_that_gets_it() {
    for (text, expected) in [
        ("webhook-id: a\nwebhook-timestamp: 1\n", "--body"),
        ("> POST / HTTP/1.1\n> webhook-id: a\n>\n< HTTP/1.1 401 Unauthorized\n", "curl --trace"),
        ("* Connected\n> POST / HTTP/1.1\n> webhook-id: a\n", "curl --trace"),
        ("HTTP/1.1 200 OK\ndate: x\n\nok", "a response"),
        ("{\"type\":\"batch.succeeded\",\"data\":{}}", "the body alone"),
        ("{\"headers\":{\"webhook-id\":\"a\"}}", "--body"),
        ("", "is empty"),
        ("curl https://x.example -H 'webhook-id: a' -d @body.json", "--body"),
        ("{ headers: { 'webhook-id': 'a' }, body: <Buffer 7b 22 ... 50 more bytes> }", "toString('base64')"),
        ("{\"http_webhook_id\":\"a\",\"request_body\":\"-\"}", "proxy_pass"),
    ] {
        for read in [from_request, from_raw] {
            let problem = read(text.as_bytes()).map(|capture| capture.body).expect_err(text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
    let cut = "Key         Value\n---         -----\nWebhook-Id  a\nWebhook-Signature v1,abc...\n";
    assert!(from_headers(cut.as_bytes()).is_err_and(|problem| problem.contains("Format-List")));
}

#[test]
fn requests_are_read_in_the_encodings_of_windows() {
    let text = "POST / HTTP/1.1\r\nwebhook-id: a\r\n\r\nb";
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [utf16(text), utf16(&format!("\u{feff}{text}")), big, format!("\u{feff}{text}").into_bytes()] {
        let capture = from_request(&bytes).expect("a request");
        assert_eq!((&capture.headers["webhook-id"], &capture.body[..]), (&"a".parse().expect("a value"), &b"b"[..]));
    }
}
