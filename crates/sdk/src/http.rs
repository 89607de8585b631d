//! HTTP as connectors see it.

use std::sync::Arc;

use async_trait::async_trait;
use weir_model::Error;

/// One client for the whole server; it keeps a pool a host.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request and reads the whole answer. Redirects are not followed.
    ///
    /// Errors: `unavailable` (no connection: nothing was sent), `timeout` and `outcome_unknown` (sent, no usable answer;
    /// for a read the caller treats `outcome_unknown` as `timeout`), `limit` (the answer is longer than
    /// `answer_bytes_max`), `forbidden` (a private address that the connection does not allow).
    async fn send(&self, request: Request) -> Result<Answer, Error>;
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Arc<[u8]>>,
    pub timeout_ms: u64,
    pub answer_bytes_max: u64,
    /// May the address be this machine or a private network?
    pub allow_private: bool,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}
