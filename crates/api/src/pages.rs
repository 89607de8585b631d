//! Three plain pages without script: set-up, sign-in, status. A console comes later and speaks the API only.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use weir_access::Identity;
use weir_engine::Status;
use weir_model::{Error, Kind};

use crate::guard::{COOKIE, cookie};
use crate::problem::Answer;
use crate::state::{Api, Served};

/// No script, no frames, nothing from elsewhere; forms only to ourselves.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUp {
    token: String,
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    name: String,
    password: String,
}

/// The form behind the one-time link.
#[utoipa::path(get, path = "/setup", tag = "pages", params(("token" = Option<String>, Query)),
    responses((status = 200, description = "A form", content_type = "text/html")))]
pub(crate) async fn setup_form(link: Result<Query<Link>, QueryRejection>) -> Answer<Html<String>> {
    let Query(link) = link?;
    Ok(setup_page(&link.token, None))
}

/// Makes the administrator, once, and signs in.
#[utoipa::path(post, path = "/setup", tag = "pages",
    request_body(content_type = "application/x-www-form-urlencoded", content = ref("#/components/schemas/SetUp")),
    responses((status = 303, description = "Done; a session is in the cookie"),
              (status = 422, description = "The form again, with what is wrong", content_type = "text/html")))]
pub(crate) async fn setup(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    form: Result<Form<SetUp>, FormRejection>,
) -> Answer<Response> {
    let Form(form) = form?;
    match api.access.setup(&form.token, &form.name, &form.password).await {
        Ok(session) => Ok(signed_in(&session, &headers)),
        Err(error) => Ok(refused(error.clone(), setup_page(&form.token, Some(&error)))),
    }
}

/// The sign-in form.
#[utoipa::path(get, path = "/sign-in", tag = "pages",
    responses((status = 200, description = "A form", content_type = "text/html")))]
pub(crate) async fn sign_in_form() -> Html<String> {
    sign_in_page(None)
}

/// Opens a session.
#[utoipa::path(post, path = "/sign-in", tag = "pages",
    request_body(content_type = "application/x-www-form-urlencoded", content = ref("#/components/schemas/SignIn")),
    responses((status = 303, description = "Done; a session is in the cookie"),
              (status = 401, description = "The form again", content_type = "text/html")))]
pub(crate) async fn sign_in(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    form: Result<Form<SignIn>, FormRejection>,
) -> Answer<Response> {
    let Form(form) = form?;
    match api.access.sign_in(&form.name, &form.password).await {
        Ok(session) => Ok(signed_in(&session, &headers)),
        Err(error) => Ok(refused(error.clone(), sign_in_page(Some(&error)))),
    }
}

/// Ends the session.
#[utoipa::path(post, path = "/sign-out", tag = "pages",
    responses((status = 303, description = "Done")))]
pub(crate) async fn sign_out(State(api): State<Arc<Api>>, headers: HeaderMap) -> Answer<Response> {
    if let Some(session) = cookie(&headers, COOKIE) {
        api.access.sign_out(session).await?;
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/sign-in")).into_response())
}

/// How everything stands, as a page.
#[utoipa::path(get, path = "/", tag = "pages",
    responses((status = 200, description = "The status page", content_type = "text/html")))]
pub(crate) async fn status(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Option<Identity>>,
) -> Answer<Html<String>> {
    let mut body = String::new();
    for served in &api.served {
        body.push_str(&scope_section(&api, served).await?);
    }
    let name = identity.map(|identity| identity.name).unwrap_or_default();
    let _ = write!(
        body,
        "<form method=post action=/sign-out><button>Sign out {}</button></form>\
         <p class=quiet>The same as JSON: <a href=/api/v1/openapi.json>/api/v1</a>. Reload to see newer figures.</p>",
        escape(&name)
    );
    Ok(page("Weir", &body))
}

async fn scope_section(api: &Api, served: &Served) -> Result<String, Error> {
    let mut text = format!(
        "<h1>{}</h1><p class=quiet>release {}</p>",
        escape(&served.scope.to_string()),
        served.release
    );
    let status: Status = served
        .engine
        .as_ref()
        .map(|engine| engine.status())
        .unwrap_or_default();
    let counts = api.store.counts(&served.scope).await?;
    text.push_str(
        "<table><tr><th>Route<th>Switch<th class=n>Delivered<th class=n>Skipped<th class=n>Queued<th class=n>Waiting\
         <th class=n>Retrying<th class=n>Dead<th>Now</tr>",
    );
    for (name, route) in &status.routes {
        let all = counts.get(name);
        let count = |state| all.and_then(|counts| counts.get(&state)).copied().unwrap_or(0);
        let now = match (&route.paused, &route.failure, route.reading) {
            (Some(reason), _, _) => format!("<b>paused</b>: {}", escape(reason)),
            (_, Some(failure), _) => format!("<b>last run failed</b>: {}", escape(failure)),
            (_, _, true) => format!("reading, {} rows", route.rows_read),
            _ if route.queued + route.running > 0 => "delivering".to_owned(),
            _ => "settled".to_owned(),
        };
        let _ = write!(
            text,
            "<tr><td>{}<br><span class=quiet>{}</span><td>{:?}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}\
             <td class=n>{}<td class=n>{}<td>{now}</tr>",
            escape(name),
            escape(&route.title),
            route.switch,
            count(weir_model::task::State::Done),
            count(weir_model::task::State::Skipped),
            route.queued + route.running,
            route.waiting,
            route.retrying,
            route.dead,
        );
    }
    text.push_str("</table><table><tr><th>Connection<th>State</tr>");
    for (name, connection) in &status.connections {
        let state = match &connection.reason {
            Some(reason) => format!("<b>paused</b>: {}", escape(reason)),
            None => "works".to_owned(),
        };
        let _ = write!(text, "<tr><td>{}<td>{state}</tr>", escape(name));
    }
    text.push_str("</table>");
    Ok(text)
}

fn setup_page(token: &str, error: Option<&Error>) -> Html<String> {
    let body = format!(
        "<h1>Set up Weir</h1>{}<form method=post action=/setup>\
         <input type=hidden name=token value=\"{}\">\
         <label>Name<input name=name autocomplete=username required maxlength=64></label>\
         <label>Password, at least 12 characters\
         <input name=password type=password autocomplete=new-password required minlength=12></label>\
         <button>Make the administrator</button></form>",
        complaint(error),
        escape(token)
    );
    page("Set up Weir", &body)
}

fn sign_in_page(error: Option<&Error>) -> Html<String> {
    let body = format!(
        "<h1>Sign in to Weir</h1>{}<form method=post action=/sign-in>\
         <label>Name<input name=name autocomplete=username required></label>\
         <label>Password<input name=password type=password autocomplete=current-password required></label>\
         <button>Sign in</button></form>",
        complaint(error)
    );
    page("Sign in to Weir", &body)
}

fn complaint(error: Option<&Error>) -> String {
    error.map_or(String::new(), |error| {
        format!("<p role=alert><b>{}</b></p>", escape(&error.to_string()))
    })
}

fn refused(error: Error, page: Html<String>) -> Response {
    let status = match error.kind {
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        _ => return crate::problem::Problem::from(error).into_response(),
    };
    (status, page).into_response()
}

fn signed_in(session: &str, headers: &HeaderMap) -> Response {
    // Behind a proxy that speaks TLS the cookie never goes out in the clear.
    let secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|value| value == "https");
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict{secure}");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><main>{body}</main></html>"
    ))
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}\
main{max-width:70rem;margin:auto}h1{font-size:1.3rem}table{border-collapse:collapse;width:100%;margin:1rem 0}\
th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
.n{text-align:right;font-variant-numeric:tabular-nums}.quiet{color:#666}label{display:block;margin:.8rem 0}\
input{display:block;padding:.4rem;width:22rem;max-width:100%;font:inherit}button{padding:.4rem .8rem;font:inherit}";

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
