//! `kill -9` in the middle of the work, again and again: nothing is lost, nothing is there twice.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{command, copy, edit, text, weir};

const KILLS: u64 = 20;
/// So many that a quiet machine is still at work at the tenth kill.
const PRODUCTS: u64 = 2_000;
const SETTLE_WITHIN: Duration = Duration::from_secs(180);
const SECRETS: [(&str, &str); 3] = [
    ("AKENEO_SECRET", "weir_secret"),
    ("AKENEO_PASSWORD", "weir_password"),
    ("SPRYKER_API_KEY", "weir-api-key"),
];

/// A child that says in its first line where it listens, and ends with the test.
struct Listening {
    child: Child,
    url: String,
}

impl Listening {
    fn start(arguments: &[&str]) -> Listening {
        let mut command = command(arguments);
        command
            .envs(SECRETS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Listening {
            child,
            url: said["url"].as_str().unwrap().to_owned(),
        }
    }

    fn get(&self, path: &str, token: &str) -> Value {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // SIGKILL: there is no time to tidy up.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let products = PRODUCTS.to_string();
    let sizes = [
        "--categories",
        "60",
        "--attributes",
        "30",
        "--products",
        &products,
    ];
    let akeneo = Listening::start(&[&["simulate", "akeneo", "--json"], &sizes[..]].concat());
    let spryker = Listening::start(&["simulate", "spryker", "--json"]);
    let folder = copy();
    edit(
        folder.path(),
        "environments/dev.yaml",
        "http://127.0.0.1:8082",
        &akeneo.url,
    );
    edit(
        folder.path(),
        "environments/dev.yaml",
        "http://127.0.0.1:8081",
        &spryker.url,
    );
    let place = ["--project", text(folder.path()), "--json"];
    let token = weir(&[&["tokens", "create", "test"], &place[..]].concat()).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();

    let serve = [&["serve", "--listen", "127.0.0.1:0"], &place[..]].concat();
    let mut in_the_middle = 0;
    for kill in 0..KILLS {
        let server = Listening::start(&serve);
        // Not one moment but many: from right after the start to well into the work.
        std::thread::sleep(Duration::from_millis(40 + (kill * 7_919) % 900));
        drop(server);
        let arrived = spryker.get("/_simulator/report", "")["totals"]["concretes"]
            .as_u64()
            .unwrap();
        in_the_middle += usize::from(arrived < PRODUCTS);
    }
    assert!(
        in_the_middle >= 10,
        "the catalogue is too small for this machine: {in_the_middle} kills hit work"
    );
    let server = Listening::start(&serve);
    settle(&server, &token);
    judge(&akeneo, &spryker);
    let status = server.get("/api/v1/akeneo-to-spryker/dev/status", &token);
    for (name, route) in status["routes"].as_object().unwrap() {
        assert_eq!(
            (route["dead"].as_u64(), route["waiting"].as_u64()),
            (Some(0), Some(0)),
            "{name}: {route}"
        );
    }
    assert!(Path::new(text(folder.path())).join(".weir/main.db").exists());
}

fn settle(server: &Listening, token: &str) {
    let begin = Instant::now();
    let mut quiet = 0;
    while quiet < 4 {
        let status = server.get("/api/v1/akeneo-to-spryker/dev/status", token);
        quiet = if status["settled"] == true { quiet + 1 } else { 0 };
        assert!(begin.elapsed() < SETTLE_WITHIN, "not settled: {status}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn judge(akeneo: &Listening, spryker: &Listening) {
    let report = spryker.get("/_simulator/report", "");
    assert!(
        report["clean"] == true && report["complete"] == true,
        "{}",
        report["sentences"]
    );
    assert_eq!(report["created_twice"]["total"], 0);
    for kind in ["categories", "attributes", "abstracts", "concretes"] {
        let path = format!("/_simulator/keys?kind={kind}");
        let (source, target) = (akeneo.get(&path, ""), spryker.get(&path, ""));
        assert_eq!(source["keys"], target["keys"], "{kind}");
    }
}
