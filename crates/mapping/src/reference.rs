//! The reference page of our functions, made from their table.

use std::fmt::Write;

/// The page `docs/mapping/functions.md`.
pub fn reference() -> String {
    let mut page = String::from(
        "# Functions\n\n\
         <!-- Made from crates/mapping/src/functions; `UPDATE=1 cargo test -p weir-mapping` writes it anew. -->\n\n\
         Maps and expressions are [JSONata](https://docs.jsonata.org) and see all of its functions. These are Weir's own; a \
         project adds more in `functions.jsonata`, and `$map.NAME(value)` calls another map. In the examples `missing` is a \
         field that is not there. Optional arguments stand in brackets.\n\n\
         `$now()`, `$millis()` and `$random()` give the same answers whenever a task is evaluated again.\n\n\
         Numbers that are only passed through keep their digits (`19.90`, integers of any length). What is computed with \
         `+ - * /` or `$sum` is computed in 64-bit floating point at present, so `19.99 * 100` is not exactly 1999: for money \
         use `$money` and `$decimal`, which are exact. Regular expressions may go back and forth; the limit of steps stops \
         bad ones.\n",
    );
    let mut group = "";
    for (name, function) in crate::functions() {
        if name != group {
            group = name;
            write!(page, "\n## {name}\n").expect("writing to a string does not fail");
        }
        write!(
            page,
            "\n### `{}`\n\n{}\n\n| expression | gives |\n| --- | --- |\n",
            function.signature, function.summary
        )
        .expect("writing to a string does not fail");
        for example in function.examples {
            let gives = match example.gives.strip_prefix("error: ") {
                Some(message) => format!("an error: … {message} …"),
                None if example.gives == "nothing" => "nothing".to_owned(),
                None => format!("`{}`", cell(example.gives)),
            };
            writeln!(page, "| `{}` | {gives} |", cell(example.expression))
                .expect("writing to a string does not fail");
        }
    }
    page
}

fn cell(text: &str) -> String {
    // A backtick would end the code; a bar would end the cell.
    text.replace('|', "\\|").replace('`', "'")
}
