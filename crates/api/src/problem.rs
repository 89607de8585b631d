//! Errors as problem details (RFC 9457).

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use weir_model::{Error, Kind};

/// When to ask again, where nobody knows better.
const RETRY_AFTER_MS: u64 = 5_000;

/// What went wrong, in the words of RFC 9457 and those of Weir.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the kind says more.
    #[serde(rename = "type")]
    pub(crate) about: &'static str,
    pub(crate) title: &'static str,
    pub(crate) status: u16,
    /// A sentence: what was being done, to what, what to do next.
    pub(crate) detail: String,
    pub(crate) kind: Kind,
    /// The field of the request that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<Box<str>>,
    /// The task it is about, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<Box<str>>,
    #[serde(skip)]
    retry_after_ms: Option<u64>,
}

/// The answer of a handler.
pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Error::new(kind, detail).into()
    }

    /// With another status than the kind alone would give.
    pub(crate) fn status(self, status: StatusCode, title: &'static str) -> Problem {
        Problem {
            status: status.as_u16(),
            title,
            ..self
        }
    }

    /// What the media type of a body should be.
    pub(crate) fn media_type(detail: impl Into<String>) -> Problem {
        Problem::new(Kind::Invalid, detail)
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not in a form that is taken")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, title) = match error.kind {
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "Sign in first"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Kind::Conflict => (StatusCode::CONFLICT, "Not possible as things are"),
            Kind::Invalid | Kind::Rejected => (StatusCode::UNPROCESSABLE_ENTITY, "Not valid"),
            Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too often"),
            Kind::Unavailable | Kind::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
            Kind::Limit => (StatusCode::PAYLOAD_TOO_LARGE, "A limit is reached"),
            Kind::Configuration => (StatusCode::CONFLICT, "Set up wrongly"),
            Kind::OutcomeUnknown => (StatusCode::BAD_GATEWAY, "Outcome unknown"),
            Kind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "A fault in Weir"),
        };
        Problem {
            about: "about:blank",
            title,
            status: status.as_u16(),
            detail: error.to_string(),
            kind: error.kind,
            field: error.get("field").map(Box::from),
            task: error.get("task").map(Box::from),
            retry_after_ms: error
                .retry_after_ms
                .or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_MS)),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.kind == Kind::Bug {
            tracing::error!(error = self.detail, "a request failed: {}", self.detail);
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let seconds = self.retry_after_ms.map(|ms| ms.div_ceil(1_000));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"weir\""),
            );
        }
        response
    }
}

macro_rules! rejected {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Problem::new(Kind::Invalid, format!("the request cannot be read: {}", rejection.body_text()))
            }
        }
    )*};
}
rejected!(JsonRejection, QueryRejection, PathRejection, FormRejection);
