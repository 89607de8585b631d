//! The HTTP client behind every connection: reqwest, no redirects, a limit on answers, a guard on private addresses.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use weir_model::{Error, Kind};
use weir_sdk::http::{Answer, Http, Request};

pub struct Client {
    inner: reqwest::Client,
}

impl Client {
    pub fn new() -> Result<Client, Error> {
        // Installed once for the process; a second installation is refused, which is what we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let inner = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::bug("the HTTP client could not be set up").source(error))?;
        Ok(Client { inner })
    }
}

#[async_trait]
impl Http for Client {
    async fn send(&self, request: Request) -> Result<Answer, Error> {
        let url = reqwest::Url::parse(&request.url).map_err(|error| {
            Error::new(
                Kind::Configuration,
                format!("`{}` is not an address: {error}", request.url),
            )
        })?;
        guard(&url, request.allow_private).await?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|error| {
            Error::new(
                Kind::Configuration,
                format!("`{}` is no HTTP method", request.method),
            )
            .source(error)
        })?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut builder = self
            .inner
            .request(method, url)
            .timeout(Duration::from_millis(request.timeout_ms));
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body.to_vec());
        }
        let answer = builder
            .send()
            .await
            .map_err(|error| unsent(&error, &host, request.timeout_ms))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = Vec::new();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| cut(&error, &host, request.timeout_ms))?;
            if (body.len() + chunk.len()) as u64 > request.answer_bytes_max {
                let message = format!(
                    "the answer of {host} is longer than the limit of {} bytes",
                    request.answer_bytes_max
                );
                return Err(Error::new(Kind::Limit, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// No answer at all. Where no connection came about nothing was sent; otherwise nobody can tell.
fn unsent(error: &reqwest::Error, host: &str, timeout_ms: u64) -> Error {
    if error.is_connect() {
        return Error::new(
            Kind::Unavailable,
            format!("could not connect to {host}: nobody answers there"),
        )
        .source(deepest(error));
    }
    cut(error, host, timeout_ms)
}

fn cut(error: &reqwest::Error, host: &str, timeout_ms: u64) -> Error {
    let message = if error.is_timeout() {
        format!("{host} did not answer within {timeout_ms} ms")
    } else {
        format!("the connection to {host} broke before the answer was complete")
    };
    Error::new(Kind::OutcomeUnknown, message).source(deepest(error))
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut place: &dyn std::error::Error = error;
    while let Some(source) = place.source() {
        place = source;
    }
    place.to_string()
}

/// Link-local addresses are never reached, private ones and this machine only where the connection allows it.
async fn guard(url: &reqwest::Url, allow_private: bool) -> Result<(), Error> {
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(|error| {
                Error::new(Kind::Unavailable, format!("the name {host} is not known")).source(error)
            })?
            .map(|address| address.ip())
            .collect(),
    };
    for address in addresses.into_iter().map(|address| address.to_canonical()) {
        let (private, link_local) = match address {
            IpAddr::V4(v4) => (
                v4.is_private() || v4.is_loopback() || v4.is_unspecified(),
                v4.is_link_local(),
            ),
            IpAddr::V6(v6) => (
                v6.is_loopback() || v6.is_unspecified() || (v6.segments()[0] & 0xfe00) == 0xfc00,
                (v6.segments()[0] & 0xffc0) == 0xfe80,
            ),
        };
        if link_local || (private && !allow_private) {
            let message = format!(
                "{host} is an address of this machine or of a private network; write `network: {{ allow_private: true }}` \
                 into the connection if it is meant"
            );
            return Err(Error::new(Kind::Configuration, message));
        }
    }
    Ok(())
}
