//! Webhooks: what `weir check` says of them, and what arrives while the program is killed again and again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serve::Server;
use crate::{text, weir};

pub(crate) const MANIFEST: &str = r#"connector: sink
version: 1.0.0
title: Sink
connection:
  settings: { base_url: { type: string, required: true, title: Address } }
http: { base_url: "{{ settings.base_url }}", timeout: 1s }
entities:
  orders:
    id: event
    key: [event]
    lookup:
      request: { method: GET, path: "/orders/{{ $join(keys, ',') }}" }
      records: body
      max_keys: 20
    write:
      repeat: lookup
      upsert: lookup_then
      create: { method: POST, path: /orders, status: 201 }
      update: { method: PUT, path: "/orders/{{ row.event }}" }
      saved: { rows: "[body]", match: natural_key }
"#;

const ROUTE: &str = r#"source:
  webhook:
    verify: { header: { name: X-Token, value: "${secrets.TOKEN}" } }
    each: events
    dedupe: event
entity: { key: key }
write: { connection: sink, entity: orders, mode: create }
"#;

/// A project with one route, which writes to an address.
pub(crate) fn project(folder: &Path, route: &str, sink: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let files = [
        ("weir.yaml", "project: shop\n".to_owned()),
        (
            "environments/dev.yaml",
            "secrets: { TOKEN: { file: ../token } }\n".to_owned(),
        ),
        ("../token", "s3cret\n".to_owned()),
        ("connectors/sink/connector.yaml", MANIFEST.to_owned()),
        (
            "connections/sink.yaml",
            format!(
                "connector: sink@1\nsettings: {{ base_url: \"{sink}\" }}\nnetwork: {{ allow_private: true }}\n"
            ),
        ),
        ("routes/orders.yaml", route.to_owned()),
    ];
    for (path, text) in files {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        let path = folder.join(path);
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn a_webhook_says_who_may_send_and_nothing_about_reading() {
    let folder = tempfile::tempdir().unwrap();
    let verify = r#"verify: { header: { name: X-Token, value: "${secrets.TOKEN}" } }"#;
    let hmac = r#"verify: { hmac: { header: X-Signature, secret: "${secrets.TOKEN}" } }"#;
    let mut wrong = Vec::new();
    for (from, to, place, words) in [
        (verify, "verify: none", "", "all good"),
        (verify, hmac, "", "all good"),
        (
            verify,
            "# nothing",
            "routes/orders.yaml:",
            "or `verify: none` where everybody may send",
        ),
        (
            verify,
            "verify: nome",
            "routes/orders.yaml:3:13:",
            "did you mean `none`?",
        ),
        (
            verify,
            &hmac.replace("hmac:", "hmak:"),
            "routes/orders.yaml:3:",
            "did you mean `hmac`?",
        ),
        (
            verify,
            &hmac.replacen(" }", ", algorithm: sha265 }", 1),
            "routes/orders.yaml:3:",
            "did you mean `sha256`?",
        ),
        (
            verify,
            &hmac.replacen(" }", ", encoding: hexx }", 1),
            "routes/orders.yaml:3:",
            "did you mean `hex`?",
        ),
        (
            verify,
            &hmac.replace("${secrets.TOKEN}", "s3cret"),
            "routes/orders.yaml:3:52:",
            "whoever reads this file could send",
        ),
        (
            verify,
            &hmac.replace("TOKEN", "TOKIN"),
            "routes/orders.yaml:3:",
            "did you mean `TOKEN`?",
        ),
        (
            verify,
            &hmac.replace("X-Signature", "X Signature"),
            "routes/orders.yaml:3:31:",
            "cannot be the name of a header",
        ),
        (
            "each: events",
            "each: \"events[\"",
            "routes/orders.yaml:4:",
            "error[",
        ),
        (
            "dedupe: event",
            "dedup: event",
            "routes/orders.yaml:5:5:",
            "did you mean `dedupe`?",
        ),
        (
            "source:",
            "source:\n  every: 5m",
            "routes/orders.yaml:2:3:",
            "`every` is about reading, and a webhook reads nothing",
        ),
        (
            "source:",
            "source:\n  changed_since: x",
            "routes/orders.yaml:2:3:",
            "`changed_since` is about reading",
        ),
        (
            "source:",
            "source:\n  read: { connection: sink, entity: orders }",
            "routes/orders.yaml:2:9:",
            "either reads or has a webhook",
        ),
    ] {
        assert_eq!(ROUTE.matches(from).count(), 1, "{from}");
        project(
            &folder.path().join("p"),
            &ROUTE.replace(from, to),
            "http://127.0.0.1:1",
        );
        wrong.extend(said_otherwise(&folder.path().join("p"), to, place, words));
    }
    for (reply, place, words) in [
        ("reply: { body: key }", "", "all good"),
        ("reply: { body: \"key[\" }", "routes/orders.yaml:8:", "error["),
        (
            "reply: { body: key, status: 99 }",
            "routes/orders.yaml:8:29:",
            "between 200 and 599",
        ),
        (
            "reply: { body: key, deadline: 2h }",
            "routes/orders.yaml:8:31:",
            "at most `60s`",
        ),
        (
            "reply: { body: key, headers: { \"a b\": c } }",
            "routes/orders.yaml:8:39:",
            "cannot be the name of a header",
        ),
        (
            "reply: { bodi: key }",
            "routes/orders.yaml:8:10:",
            "did you mean `body`?",
        ),
    ] {
        let route = ROUTE.replace("    each: events\n", "    # one\n");
        project(
            &folder.path().join("p"),
            &format!("{route}{reply}\n"),
            "http://127.0.0.1:1",
        );
        wrong.extend(said_otherwise(&folder.path().join("p"), reply, place, words));
    }
    project(
        &folder.path().join("p"),
        &format!("{ROUTE}reply: {{ body: key }}\n"),
        "http://127.0.0.1:1",
    );
    let said = weir(&["check", "--project", text(&folder.path().join("p"))]);
    if !said.out.contains("a `reply` is about one entity") {
        wrong.push(said.out);
    }
    project(
        &folder.path().join("p"),
        "source: { manual: true }\nentity: { key: a }\nreply: { body: a }\n",
        "http://127.0.0.1:1",
    );
    let said = weir(&["check", "--project", text(&folder.path().join("p"))]);
    if !said
        .out
        .contains("where its entities come from: `read` or `webhook`")
    {
        wrong.push(said.out.clone());
    }
    if !said.out.contains("and this source has none") {
        wrong.push(said.out);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_caller_is_answered_with_what_came_of_the_steps() {
    let sink = Sink::start();
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("p");
    let reply = r#"reply:
  status: 201
  headers: { X-From: weir }
  body: '{ "order": key, "state": $task.state, "id": $steps."write-1".event }'
  deadline: 700ms
"#;
    let route = format!("{}{reply}", ROUTE.replace("    each: events\n", ""));
    project(&shop, &route, &sink.url);
    let server = Server::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--project",
        text(&shop),
        "--json",
    ]);
    let address = server.url().strip_prefix("http://").unwrap();
    let call = |event: &str| {
        let body = json!({ "key": event, "event": event }).to_string();
        let hook = "POST /hooks/shop/dev/orders";
        ask(address, hook, "x-token: s3cret\r\n", &body).unwrap()
    };
    let (status, said) = call("good");
    assert!(
        status == 201 && said.contains("x-from: weir\r\n"),
        "{status} {said}"
    );
    assert!(
        said.ends_with(r#"{"order":"good","state":"done","id":"good"}"#),
        "{said}"
    );
    assert!(said.contains("weir-task: "), "{said}");
    let (status, said) = call("refused");
    assert!(
        status == 422 && said.contains(r#""kind":"invalid""#) && said.contains(r#""task":"#),
        "{status} {said}"
    );
    let (status, said) = call("slow");
    assert!(
        status == 504 && said.contains("has not ended within 700 ms; it is stored and goes on"),
        "{status} {said}"
    );
    let (status, said) = call("slow");
    assert!(
        status == 409 && said.contains("a duplicate: task "),
        "{status} {said}"
    );
}

#[test]
fn a_server_without_the_secret_of_a_webhook_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    for (token, words) in [
        (None, "the secret `TOKEN` has no value"),
        (Some("\n"), "the secret is empty"),
    ] {
        project(&folder.path().join("p"), ROUTE, "http://127.0.0.1:1");
        match token {
            Some(token) => std::fs::write(folder.path().join("token"), token).unwrap(),
            None => std::fs::remove_file(folder.path().join("token")).unwrap(),
        }
        let said = weir(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--project",
            text(&folder.path().join("p")),
        ]);
        assert!(
            said.code != 0 && said.out.contains(words) && said.out.contains("routes/orders.yaml:3:"),
            "{}{}",
            said.out,
            said.err
        );
    }
}

/// Keeps what is posted, in order, and refuses nothing: what comes twice is there twice.
pub(crate) struct Sink {
    pub(crate) url: String,
    pub(crate) kept: Arc<Mutex<Vec<Value>>>,
}

impl Sink {
    pub(crate) fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
        let keeping = kept.clone();
        // Ends with the process: nobody waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = keeping.clone();
                std::thread::spawn(move || while answer(&stream, &kept).is_some() {});
            }
        });
        Sink { url, kept }
    }
}

/// One request and its answer; `None` at the end of the connection.
fn answer(mut stream: &TcpStream, kept: &Mutex<Vec<Value>>) -> Option<()> {
    // Byte by byte up to the body: a second request may stand behind it.
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(char::from(byte[0]));
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    let (status, said) = if head.starts_with("post") {
        let row: Value = serde_json::from_slice(&body).unwrap();
        let status = match row["event"].as_str().unwrap() {
            "refused" => Some("422 Unprocessable Content"),
            "slow" => {
                std::thread::sleep(SLOW);
                None
            }
            _ => None,
        };
        if let Some(status) = status {
            return write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok();
        }
        kept.lock().unwrap().push(row.clone());
        ("201 Created", row)
    } else {
        let asked = head
            .split(' ')
            .nth(1)
            .unwrap()
            .trim_start_matches("/orders/")
            .replace("%2c", ",");
        let asked: Vec<&str> = asked.split(',').collect();
        let rows = kept.lock().unwrap();
        let found = rows
            .iter()
            .filter(|row| asked.contains(&row["event"].as_str().unwrap()));
        ("200 OK", Value::Array(found.cloned().collect()))
    };
    let said = said.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{said}",
        said.len()
    )
    .ok()
}

/// Status of a request, where there was an answer.
pub(crate) fn ask(address: &str, request: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.get(9..12)?.parse().ok()?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).ok()?;
    Some((status, rest))
}

/// Longer than a caller waits.
const SLOW: Duration = Duration::from_secs(2);

const SENDERS: usize = 4;
const KEYS: usize = 3;
const KILLS: u64 = 10;
/// Between two events of a sender.
const PACE: Duration = Duration::from_millis(25);
const ARRIVE_WITHIN: Duration = Duration::from_secs(180);

/// Sends events in their order until it is told to stop, each again and again until it is accepted. Answers how many
/// there were, and every status but 202.
fn send_all(address: &str, sender: usize, is_over: &AtomicBool) -> (usize, BTreeMap<u16, usize>) {
    let mut refusals = BTreeMap::new();
    let (begin, mut n) = (Instant::now(), 0);
    while !is_over.load(Ordering::SeqCst) {
        let row =
            json!({ "key": format!("k{sender}-{}", n % KEYS), "event": format!("e{sender}-{n}"), "n": n });
        let body = json!({ "events": [row] }).to_string();
        loop {
            assert!(
                begin.elapsed() < ARRIVE_WITHIN,
                "sender {sender} is stuck at {n}: {refusals:?}"
            );
            match ask(
                address,
                "POST /hooks/shop/dev/orders",
                "x-token: s3cret\r\n",
                &body,
            ) {
                Some((202, _)) => break,
                Some((status, _)) => *refusals.entry(status).or_default() += 1,
                None => {}
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        n += 1;
        std::thread::sleep(PACE);
    }
    (n, refusals)
}

#[test]
fn what_was_accepted_between_kills_arrives_once_and_in_order() {
    let sink = Sink::start();
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("p");
    project(&shop, ROUTE, &sink.url);
    let place = ["--project", text(&shop), "--json"];
    let token = weir(&[&["tokens", "create", "test"], &place[..]].concat()).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    // The same port after each start, as senders know it.
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let serve = [&["serve", "--listen", &address], &place[..]].concat();
    let is_over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (address, is_over) = (address.clone(), is_over.clone());
            std::thread::spawn(move || send_all(&address, sender, &is_over))
        })
        .collect();
    for kill in 0..KILLS {
        let server = Server::start(&serve);
        std::thread::sleep(Duration::from_millis(60 + (kill * 7_919) % 500));
        drop(server); // SIGKILL
    }
    let _server = Server::start(&serve);
    is_over.store(true, Ordering::SeqCst);
    let mut accepted = 0;
    for sender in senders {
        let (count, refusals) = sender.join().unwrap();
        accepted += count;
        assert!(refusals.keys().all(|status| *status == 503), "{refusals:?}");
    }
    assert!(
        accepted > 50,
        "this machine is too slow to show anything: {accepted} events"
    );

    let begin = Instant::now();
    loop {
        let header = format!("authorization: Bearer {token}\r\n");
        let (_, status) = ask(&address, "GET /api/v1/shop/dev/status", &header, "").unwrap();
        if status.contains(r#""settled":true"#) {
            break;
        }
        assert!(begin.elapsed() < ARRIVE_WITHIN, "not settled: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let kept = sink.kept.lock().unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in kept.iter() {
        *counts.entry(row["event"].as_str().unwrap()).or_default() += 1;
        versions
            .entry(row["key"].as_str().unwrap())
            .or_default()
            .push(row["n"].as_u64().unwrap());
    }
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "created twice: {twice:?}");
    assert_eq!(counts.len(), accepted, "everything that was answered 202 arrived");
    for (key, versions) in versions {
        assert!(versions.is_sorted(), "{key} in the wrong order: {versions:?}");
    }
}

/// What `weir check` says, where it is not these words at this place; no place means that all is good.
fn said_otherwise(project: &Path, case: &str, place: &str, words: &str) -> Option<String> {
    let said = weir(&["check", "--project", text(project)]);
    let found = said
        .out
        .lines()
        .any(|line| line.starts_with(place) && line.contains(words));
    let is_right = found && (said.code == 0) == place.is_empty();
    (!is_right).then(|| format!("{case} (exit {})\n{}{}", said.code, said.out, said.err))
}
