//! The bare forwarder: axum in, reqwest out, nothing stored. What any middleware costs at least.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;

#[derive(Clone)]
struct Onward {
    client: reqwest::Client,
    to: String,
}

/// Says `{"url": …}` once it listens.
pub(crate) async fn run(to: String, listen: SocketAddr) -> anyhow::Result<()> {
    // Only loopback without TLS is spoken to, but the client wants to know a provider all the same.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed before"))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let router = Router::new()
        .route("/orders", post(forward))
        .with_state(Onward { client, to });
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .context("could not listen")?;
    println!(
        "{}",
        serde_json::json!({ "url": format!("http://{}", listener.local_addr()?) })
    );
    Ok(axum::serve(listener, router).await?)
}

async fn forward(State(onward): State<Onward>, body: Bytes) -> StatusCode {
    let sent = onward
        .client
        .post(&onward.to)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => StatusCode::ACCEPTED,
        _ => StatusCode::BAD_GATEWAY,
    }
}
