//! A server, and commands that find it by its socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{command, text, weir, weir_with};

/// Ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) said: Value,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Server {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Server {
            child,
            said: serde_json::from_str(&line).unwrap(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.said["url"].as_str().unwrap()
    }

    /// Asks it to end as a service manager does; answers its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and whole answer.
fn get(url: &str, path: &str, headers: &str) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn a_server_is_found_by_its_socket_and_is_closed_to_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("p");
    assert_eq!(weir(&["init", text(&project)]).code, 0);
    let place = ["--project", text(&project), "--json"];
    let server = Server::start(&[&["serve", "--listen", "127.0.0.1:0"], &place[..]].concat());
    let with = |words: &[&str], input: &str| weir_with(&[words, &place[..]].concat(), input);

    let socket = project.join(".weir/weir.sock");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(get(server.url(), "/health/live", "").0, 200);
    assert_eq!(get(server.url(), "/health/ready", "").0, 200);
    assert_eq!(get(server.url(), "/api/v1/scopes", "").0, 401);
    let link = server.said["setup"].as_str().unwrap();
    let path = link.strip_prefix(server.url()).unwrap();
    assert!(get(server.url(), path, "").1.contains("Make the administrator"));

    let set = with(&["secrets", "set", "KEY"], "value");
    assert_eq!(set.code, 0, "{}", set.err);
    let token = with(&["tokens", "create", "ci", "--role", "viewer"], "").json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, answer) = get(
        server.url(),
        "/api/v1/my-project/dev/status",
        &format!("authorization: Bearer {token}\r\n"),
    );
    assert!(status == 200 && answer.contains("\"settled\":true"), "{answer}");
    let remote = weir(&[
        "tasks",
        "list",
        "--server",
        server.url(),
        "--token",
        &token,
        "--json",
    ]);
    assert_eq!(remote.json()["tasks"], Value::Array(vec![]), "{}", remote.err);
    let refused = weir(&["secrets", "list", "--server", server.url(), "--token", &token]);
    assert!(
        refused.code == 3 && refused.err.contains("administrator"),
        "{}",
        refused.err
    );

    let second = with(&["serve", "--listen", "127.0.0.1:0"], "");
    assert!(
        second.code == 3 && second.err.contains("pid"),
        "one process a data folder: {}",
        second.err
    );
    let unknown = with(&["run", "categories"], "");
    assert!(
        unknown.code == 3 && unknown.err.contains("no route"),
        "{}",
        unknown.err
    );
    assert_eq!(server.terminate(), 0);
    assert!(!socket.exists());
}
