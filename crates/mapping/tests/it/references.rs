//! References over rounds, from many threads.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use weir_model::{Address, Error};
use weir_sdk::expressions::{Job, Known, ReferenceSource, References, Snippet, Want, evaluate_all};

use crate::project::{NOW, library};

/// Knows nothing until it is asked to fetch.
#[derive(Default)]
struct Remote {
    fetched: Mutex<Vec<Vec<Want>>>,
}

impl References for Remote {
    fn row(&self, table: &str, key: &str) -> Known {
        let want = Want::Row {
            table: table.to_owned(),
            key: key.to_owned(),
        };
        if !self
            .fetched
            .lock()
            .unwrap()
            .iter()
            .flatten()
            .any(|known| *known == want)
        {
            return Known::Pending;
        }
        match key {
            "m1" => Known::Found(Arc::new(json!({"parent": "m0"}))),
            "m0" => Known::Found(Arc::new(json!({"name": "root"}))),
            _ => Known::Missing,
        }
    }
    fn link(&self, _: &Address, _: &str) -> Known {
        Known::Missing
    }
}

#[async_trait::async_trait]
impl ReferenceSource for Remote {
    async fn fetch(&self, wants: &[Want]) -> Result<(), Error> {
        self.fetched.lock().unwrap().push(wants.to_vec());
        Ok(())
    }
}

#[test]
fn a_reference_that_needs_a_reference_takes_two_rounds_for_the_whole_batch() {
    let library = library(
        Some("( $root := function($c) { $ref('models', $c, 'parent') } )"),
        &[],
    )
    .unwrap();
    let expression = library
        .expression(&Snippet::new(
            "t",
            "$required($ref('models', $required($root(code)), 'name'))",
        ))
        .unwrap();
    assert!(!expression.is_plain());
    let inputs: Vec<Value> = vec![
        json!({"code": "m1"}),
        json!({"code": "m9"}),
        json!({"code": "m1"}),
    ];
    let jobs: Vec<Job<'_>> = inputs
        .iter()
        .map(|input| Job {
            input,
            bindings: Vec::new(),
        })
        .collect();
    let remote = Remote::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let results = runtime.block_on(evaluate_all(
        expression.as_ref(),
        &jobs,
        &remote,
        NOW.parse().unwrap(),
    ));
    let shown: Vec<String> = results
        .into_iter()
        .map(|result| match result {
            Ok((value, reads)) => format!("{} after {} reads", value.unwrap_or_default(), reads.len()),
            Err(error) => error.message,
        })
        .collect();
    assert_eq!(
        shown,
        [
            "\"root\" after 2 reads",
            "t:1:26: a required value is missing",
            "\"root\" after 2 reads"
        ]
    );
    let rounds: Vec<usize> = remote.fetched.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(rounds, [2, 1]);
}

#[test]
fn plain_expressions_say_so() {
    let functions = "( $far := function($c) { $ref('models', $c) }; $near := function($c) { $c } )";
    let library = library(Some(functions), &[("m", "a")]).unwrap();
    for (text, plain) in [
        ("a.b", true),
        ("$ref('x', y)", false),
        ("$near(a)", false),
        ("$map.m(a)", false),
        ("$map(a, $string)", true),
    ] {
        let expression = library.expression(&Snippet::new("t", text)).unwrap();
        assert_eq!(expression.is_plain(), plain, "{text}");
    }
}

#[test]
fn one_expression_works_on_many_threads() {
    let library = library(None, &[("double", "n * 2")]).unwrap();
    let expression = library
        .expression(&Snippet::new("t", "$map.double($) + $vars.plus"))
        .unwrap();
    std::thread::scope(|threads| {
        for plus in 0..4 {
            let expression = &expression;
            threads.spawn(move || {
                let vars = json!({"plus": plus});
                for n in 0..200 {
                    let scope = weir_sdk::expressions::Scope {
                        bindings: &[("vars", &vars)],
                        references: &weir_sdk::expressions::NoReferences,
                        now: NOW.parse().unwrap(),
                    };
                    let value = expression.evaluate(&json!({"n": n}), &scope).unwrap();
                    assert_eq!(value, Some(json!(n * 2 + plus)));
                }
            });
        }
    });
}
