//! Objects as each language prints them.

use super::*;

#[test]
fn every_language_prints_the_same_object() {
    let json = r#"{"a":[1.50,"it's \u00e9\n"],"b":{"c":null,"d":true}}"#;
    for printed in [
        json,
        r#"{'a': [1.50, "it's é\n"], 'b': {'c': None, 'd': True}}"#,
        r#"{"a"=>[1.50, "it's é\n"], "b"=>{"c"=>nil, "d"=>true}}"#,
        r#"{:a=>[1.50, "it's é\n"], :b=>{:c=>nil, :d=>true}}"#,
        "{ a: [ 1.50, \"it's é\\n\" ], b: { c: null, d: true } }",
        "{ a: [ 1.50, \"it's \" +\n  'é\\n' ], b: [Object: null prototype] { c: [Function: d], d: true } }",
        "<ref *1> Thing { a: [ 1.50, \"it's é\\n\" ], b: Map(2) { 'c' => [Circular *1], 'd' => true } }",
        "array (\n  'a' => \n  array (\n 1.50,\n \"it's é\\n\",\n ),\n 'b' => ['c' => NULL, 'd' => true],\n)",
        "array:2 [\n  \"a\" => array:2 [\n 0 => 1.50\n 1 => \"it's é\\n\"\n ]\n \"b\" => array:2 [\"c\" => null\n \"d\" => true\n]\n]",
        "%{\"a\" => [1.50, \"it's é\\n\"], \"b\" => %{\"c\" => nil, \"d\" => true}}",
        "dict(a=[1.50, \"it's é\\n\"], b=dict(c=None, d=True))",
        "<QueryDict: {'a': [1.50, \"it's é\\n\"], 'b': {'c': <_io.BytesIO object at 0x1>, 'd': True}}>",
    ] {
        assert_eq!(plain(printed), plain(json), "{printed}");
    }
}

#[test]
fn headers_of_each_language_are_read() {
    let json = r#"{"webhook-id":["a"],"x":["b"]}"#;
    for printed in [
        "http.Header{\"webhook-id\":[]string{\"a\"}, \"x\":[]string{\"b\"}}",
        "map[string][]string{\"webhook-id\":[]string{\"a\"}, \"x\":[]string{\"b\"}}",
        "@{ 'webhook-id' = @('a'); x = @('b') }",
        "Headers({'webhook-id': ['a'], 'x': ['b']})",
        "{b'webhook-id': [b'a'], b'x': [b'b']}",
    ] {
        assert_eq!(plain(printed), plain(json), "{printed}");
    }
    let pairs = r#"[["webhook-id","a"],["x","b"]]"#;
    for printed in [
        "[{\"webhook-id\", \"a\"}, {\"x\", \"b\"}]",
        "[{<<\"webhook-id\">>,<<\"a\">>},{<<\"x\">>,<<\"b\">>}]",
        "Headers([('webhook-id', 'a'), ('x', 'b')])",
        "[(b'webhook-id', b'a'), (b'x', b'b')]",
        "((b'webhook-id', b'a'), (b'x', b'b'),)",
    ] {
        assert_eq!(plain(printed), plain(pairs), "{printed}");
    }
    assert_eq!(plain("<Buffer 7b 22>"), plain("[123,34]"));
    assert_eq!(parse_literal("webhook-id: a"), None);
    assert_eq!(parse_literal("word"), None);
}

fn plain(text: &str) -> String {
    format!("{:?}", without_spans(&parse_literal(text).unwrap_or_else(|| panic!("{text}"))))
}

fn without_spans(node: &Node) -> Node {
    let value = match &node.value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|member| Member { start: 0, name: member.name.clone(), value: without_spans(&member.value) })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_spans).collect()),
        other => other.clone(),
    };
    Node { span: 0..0, value }
}
