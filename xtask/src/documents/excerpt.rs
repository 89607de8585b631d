//! What a document shows: commands with their output, and files. And when an output is as shown.

/// One thing to do, in the order of the document.
#[derive(Debug, PartialEq, Eq)]
pub enum Excerpt {
    /// Write this file.
    File {
        /// Relative to the document's folder.
        path: String,
        /// The whole content.
        text: String,
    },
    /// Run this command.
    Command {
        /// Line of the document, from 1.
        line: usize,
        /// Given to a shell.
        command: String,
        /// Lines it must print, with `…` as wildcard.
        expected: Vec<String>,
    },
}

/// Reads the fences of a Markdown document.
pub fn excerpts(markdown: &str) -> Vec<Excerpt> {
    let mut found = Vec::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((_, opening)) = lines.next() {
        let Some(info) = opening.strip_prefix("```") else {
            continue;
        };
        let body: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| !line.starts_with("```"))
            .collect();
        match info.trim().split_once(' ') {
            None if info.trim() == "console" => found.extend(commands(&body)),
            Some((_, path)) => {
                let text = body.iter().map(|(_, line)| format!("{line}\n")).collect();
                found.push(Excerpt::File {
                    path: path.trim().to_owned(),
                    text,
                });
            }
            None => {}
        }
    }
    found
}

fn commands(body: &[(usize, &str)]) -> Vec<Excerpt> {
    let mut found: Vec<(usize, String, Vec<String>)> = Vec::new();
    let mut continues = false;
    for (index, line) in body {
        let (text, more) = match line.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (*line, false),
        };
        match (line.strip_prefix("$ "), found.last_mut()) {
            (_, Some((_, command, _))) if continues => {
                command.push_str(text.trim_start());
                continues = more;
            }
            (Some(_), _) => {
                found.push((index + 1, text["$ ".len()..].to_owned(), Vec::new()));
                continues = more;
            }
            (None, Some((_, _, expected))) => expected.push((*line).to_owned()),
            (None, None) => {} // output without a command: a picture, not a promise
        }
    }
    found
        .into_iter()
        .map(|(line, command, expected)| Excerpt::Command {
            line,
            command,
            expected,
        })
        .collect()
}

/// Whether what was printed is what the document shows. Blank lines at the end and spaces at line ends do not count.
pub fn matches(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.iter().all(|line| line.trim().is_empty()),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((line, others)) => line_matches(first.trim_end(), line.trim_end()) && matches(rest, others),
            None => first.trim().is_empty() && matches(rest, printed),
        },
    }
}

fn line_matches(expected: &str, printed: &str) -> bool {
    match expected.split_once('…') {
        None => expected == printed,
        Some((start, rest)) => printed.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| line_matches(rest, &tail[at..]))
        }),
    }
}
