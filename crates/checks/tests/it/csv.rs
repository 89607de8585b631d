use serde_json::Value;

/// Rows as JSON, or the finding.
fn check(text: &str, expected: &str) {
    let shown = match weir_checks::csv::read(text) {
        Ok(rows) => Value::Array(rows).to_string(),
        Err(finding) => finding.to_string(),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn rows_become_objects_of_texts() {
    check("a,b\n1,x\n", r#"[{"a":"1","b":"x"}]"#);
    check("\u{feff}a, b \r\n\r\n1,\r\n", r#"[{"a":"1","b":""}]"#);
    check(
        "a,b\n\"1,5\",\"say \"\"hi\"\"\nyou\"",
        r#"[{"a":"1,5","b":"say \"hi\"\nyou"}]"#,
    );
    check("a\nä\n", r#"[{"a":"ä"}]"#);
    check("a,b\n", "[]");
    check("a\n5\" screen", r#"[{"a":"5\" screen"}]"#);
}

#[test]
fn mistakes_have_a_line() {
    check(
        "",
        ":1:1: error[csv]: the file is empty; its first line names the columns",
    );
    check("a,,b\n", ":1:1: error[csv]: column 2 has no name");
    check("a,b,a\n", ":1:1: error[csv]: two columns are named `a`");
    check(
        "a,b\n1,2\n1,2,3\n",
        ":3:1: error[csv]: the row has 3 values and the header names 2 columns; put double quotes around values that contain a comma",
    );
    check(
        "a,b\n\n1\n",
        ":3:1: error[csv]: the row has 1 values and the header names 2 columns; put double quotes around values that contain a comma",
    );
    check(
        "a,b\n1,\"2\n3,4\n",
        ":2:1: error[csv]: a quote opens in this row and never closes",
    );
}
