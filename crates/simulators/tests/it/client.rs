//! A plain HTTP client of a few lines: the tests must see exactly what is on the wire.

use std::io;
use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_simulators::{Running, akeneo, catalogue, spryker};

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The codes of an error list.
    pub(crate) fn codes(&self) -> Vec<String> {
        let json = self.json();
        let list = if json.is_array() {
            json
        } else {
            json["errors"].clone()
        };
        list.as_array()
            .unwrap_or_else(|| panic!("no errors in {}", self.text()))
            .iter()
            .map(|error| error["code"].as_str().unwrap_or("").to_owned())
            .collect()
    }

    pub(crate) fn message(&self) -> String {
        self.json()[0]["message"].as_str().unwrap_or("").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (have, value) = line.split_once(':')?;
            have.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

pub(crate) struct Client {
    pub(crate) running: Running,
    pub(crate) headers: Vec<(String, String)>,
}

pub(crate) async fn raw(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    stream.write_all(text.as_bytes()).await?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await?;
    let end = all
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let answer = Answer {
        status: head[9..12].parse().unwrap(),
        bytes: all[end + 4..].to_vec(),
        head,
    };
    let promised = answer.header("content-length").map(|text| text.parse().unwrap());
    if promised.is_some_and(|promised: usize| promised > answer.bytes.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

impl Client {
    pub(crate) fn with(&self, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        for (name, value) in changes {
            headers.retain(|(have, _)| have != name);
            if !value.is_empty() {
                headers.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        headers
    }

    pub(crate) async fn try_send(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        raw(self.running.address, method, path, &self.headers, body).await
    }

    /// With other headers; an empty value takes a header away.
    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        changes: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        raw(self.running.address, method, path, &self.with(changes), body)
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, "").await.unwrap()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.try_send(method, path, &body.to_string()).await.unwrap()
    }

    /// Items in a body with `data`, saved in one transaction.
    pub(crate) async fn post(&self, resource: &str, items: Value) -> Answer {
        self.send(
            "POST",
            &format!("/dynamic-entity/{resource}"),
            json!({ "data": items }),
        )
        .await
    }

    pub(crate) async fn patch(&self, resource: &str, items: Value) -> Answer {
        self.send(
            "PATCH",
            &format!("/dynamic-entity/{resource}"),
            json!({ "data": items }),
        )
        .await
    }

    /// The same, one transaction per item.
    pub(crate) async fn post_apart(&self, resource: &str, items: Value) -> Answer {
        let path = format!("/dynamic-entity/{resource}");
        let body = json!({ "data": items }).to_string();
        self.send_with("POST", &path, &[("x-is-transactional", "false")], &body)
            .await
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let path = format!("/_simulator/{path}");
        if body.is_null() {
            self.get(&path).await.json()
        } else {
            self.send("POST", &path, body).await.json()
        }
    }
}

pub(crate) fn url(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub(crate) const PROFILES: [spryker::Profile; 2] = [spryker::Profile::Doc2024, spryker::Profile::Code2026];

pub(crate) async fn shop_with(options: spryker::Options) -> Client {
    let headers = [
        ("x-api-key", "weir-api-key"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    Client {
        running: spryker::start(options).await.unwrap(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

pub(crate) async fn shop(profile: spryker::Profile) -> Client {
    shop_with(spryker::Options {
        profile,
        ..spryker::Options::default()
    })
    .await
}

pub(crate) async fn pim_with(options: akeneo::Options) -> Client {
    let mut client = Client {
        running: akeneo::start(options).await.unwrap(),
        headers: Vec::new(),
    };
    let token = token(&client, "weir").await.json();
    client.headers = vec![(
        "authorization".to_owned(),
        format!("Bearer {}", token["access_token"].as_str().unwrap()),
    )];
    client
}

pub(crate) async fn token(client: &Client, username: &str) -> Answer {
    let body = json!({ "grant_type": "password", "username": username, "password": "weir_password" });
    client
        .send_with(
            "POST",
            "/api/oauth/v1/token",
            &[("authorization", BASIC), ("content-type", "application/json")],
            &body.to_string(),
        )
        .await
}

/// `weir_client:weir_secret`.
pub(crate) const BASIC: &str = "Basic d2Vpcl9jbGllbnQ6d2Vpcl9zZWNyZXQ=";

pub(crate) fn small() -> akeneo::Options {
    akeneo::Options {
        catalogue: catalogue::Options {
            categories: 60,
            attributes: 40,
            products: 400,
            seed: 7,
        },
        ..akeneo::Options::default()
    }
}

pub(crate) async fn pim() -> Client {
    pim_with(small()).await
}
