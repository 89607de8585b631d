//! A small HTTP/1.1 client for loopback: blocking, over TCP or a Unix socket, with a connection that is kept.
//!
//! Our own because the usual blocking clients bring a dozen packages and do not speak to a Unix socket, while the
//! other ends are our own servers, which answer with a length or in chunks and nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// What came back.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// One connection, used for request after request.
pub struct Connection {
    line: BufReader<Box<dyn Line>>,
    host: String,
}

impl Connection {
    /// Connects to `http://address:port`.
    pub fn tcp(url: &str) -> anyhow::Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let address = host
            .parse()
            .with_context(|| format!("`{url}` is no address of this machine"))?;
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
            .with_context(|| format!("could not reach {url}"))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            line: BufReader::new(Box::new(stream)),
            host: host.to_owned(),
        })
    }

    /// Connects to a socket file.
    pub fn unix(path: &Path) -> anyhow::Result<Self> {
        let stream =
            UnixStream::connect(path).with_context(|| format!("could not reach {}", path.display()))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self {
            line: BufReader::new(Box::new(stream)),
            host: "weir".to_owned(),
        })
    }

    /// Sends one request and waits for its answer. Headers that describe the connection or the length are left out.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            let ours = ["host", "connection", "content-length", "transfer-encoding"];
            if !ours.contains(&name.to_ascii_lowercase().as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        self.line.get_mut().write_all(&message)?;
        self.answer(method == "HEAD")
            .with_context(|| format!("no whole answer to {method} {path}"))
    }

    fn answer(&mut self, head_only: bool) -> anyhow::Result<Answer> {
        let first = self.text_line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .with_context(|| format!("`{first}` is no status line"))?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.text_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().context("a length that is no number")?,
                "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                _ => {}
            }
        }
        let body = if head_only {
            Vec::new()
        } else if chunked {
            self.chunks()?
        } else {
            self.exactly(length)?
        };
        Ok(Answer { status, body })
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.text_line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .context("a chunk without a size")?;
            body.extend(self.exactly(size)?);
            self.text_line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.line.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn text_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.line.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// One request with JSON in and out; a status of 300 or more is an error that quotes the answer.
pub fn ask(
    connection: &mut Connection,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let answer = connection.send(method, path, &headers, bytes.as_bytes())?;
    if answer.status >= 300 {
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        bail!("{method} {path} was answered with {}: {said}", answer.status);
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("the answer to {method} {path} is not JSON"))
}
