//! What arrives by itself: are webhooks said well, and who may send to them.

use std::collections::BTreeMap;

use weir_api::Verify;
use weir_model::Finding;
use weir_model::config::{self, Source};
use weir_sdk::document::Document;

use super::connect::Put;
use super::substitution::secrets_in;
use super::{Part, Project, Secrets};

/// A webhook cannot pause its senders, only refuse them; so many tasks may queue up before it does.
pub(super) const QUEUE: u64 = 100_000;

pub(super) const REPLY_STATUS: u16 = 200;
pub(super) const DEADLINE_MS: u64 = 2_000;
/// The doors themselves do not wait much longer.
const DEADLINE_MS_MAX: u64 = 60_000;

/// What a source may say depends on what it is.
pub(super) fn check(part: &Part<config::Route>, findings: &mut Vec<Finding>) {
    let (source, document) = (&part.value.source, &part.document);
    if let Some(reply) = &part.value.reply {
        check_reply(part, reply, findings);
    }
    let Some(webhook) = &source.webhook else {
        if source.read.0.is_empty() {
            let message = "a source says where its entities come from: `read` or `webhook`";
            findings.push(document.finding(&["source"], "missing-key", message));
        }
        return;
    };
    if !source.read.0.is_empty() {
        let message = "a source either reads or has a webhook: make two routes, they may share maps";
        findings.push(document.finding(&["source", "read"], "wrong-value", message));
    }
    for word in words_of_reading(source) {
        let message = format!("`{word}` is about reading, and a webhook reads nothing: take it out");
        findings.push(document.key_finding(&["source", word], "wrong-value", message));
    }
    match &webhook.verify {
        None => {
            let message = "a webhook says how its senders show that they may send: \
                           `verify: { hmac: { header: X-Signature, secret: \"${secrets.NAME}\" } }`, \
                           `verify: { header: { name: X-Token, value: \"${secrets.NAME}\" } }`, \
                           or `verify: none` where everybody may send who reaches the address";
            findings.push(document.finding(&["source", "webhook"], "missing-key", message));
        }
        Some(config::Verify::None) => {}
        Some(config::Verify::Hmac(hmac)) => {
            let said = [("header", &hmac.header), ("secret", &hmac.secret)];
            check_sender(document, "hmac", said, findings);
        }
        Some(config::Verify::Header(header)) => {
            let said = [("name", &header.name), ("value", &header.value)];
            check_sender(document, "header", said, findings);
        }
    }
}

/// A way of verifying names a header, and what only senders know.
fn check_sender(
    document: &Document,
    way: &str,
    [(name_word, name), (secret_word, secret)]: [(&str, &String); 2],
    findings: &mut Vec<Finding>,
) {
    let place = |word| ["source", "webhook", "verify", way, word];
    is_header(document, &place(name_word), name, findings);
    is_secret(document, &place(secret_word), secret, findings);
}

fn check_reply(part: &Part<config::Route>, reply: &config::Reply, findings: &mut Vec<Finding>) {
    let document = &part.document;
    match &part.value.source.webhook {
        None => {
            let message = "`reply` answers the caller of a webhook, and this source has none";
            findings.push(document.key_finding(&["reply"], "wrong-value", message));
        }
        Some(webhook) if webhook.each.is_some() => {
            let message = "a `reply` is about one entity, and `each` may give many: take one of them out";
            findings.push(document.finding(&["source", "webhook", "each"], "wrong-value", message));
        }
        Some(_) => {}
    }
    if reply.status.is_some_and(|status| !(200..=599).contains(&status)) {
        let message = "the status of an answer lies between 200 and 599";
        findings.push(document.finding(&["reply", "status"], "wrong-value", message));
    }
    if reply
        .deadline
        .is_some_and(|span| span.ms == 0 || span.ms > DEADLINE_MS_MAX)
    {
        let message = "a caller waits at least `1ms` and at most `60s`";
        findings.push(document.finding(&["reply", "deadline"], "wrong-value", message));
    }
    for (name, value) in &reply.headers {
        is_header(document, &["reply", "headers", name], name, findings);
        if value.chars().any(|c| c.is_control()) || !value.is_ascii() {
            let message = format!("`{value}` cannot be the value of a header: plain characters only");
            findings.push(document.finding(&["reply", "headers", name], "wrong-value", message));
        }
    }
}

fn words_of_reading(source: &Source) -> Vec<&'static str> {
    let said = [
        ("every", source.every.is_some()),
        ("cron", source.cron.is_some()),
        ("timezone", source.timezone.is_some()),
        ("after", source.after.is_some()),
        ("catch_up", source.catch_up.is_some()),
        ("manual", source.manual),
        ("changed_since", source.changed_since.is_some()),
        ("resend_on", !source.resend_on.is_empty()),
    ];
    said.into_iter()
        .filter(|(_, said)| *said)
        .map(|(word, _)| word)
        .collect()
}

fn is_header(document: &Document, path: &[&str], name: &str, findings: &mut Vec<Finding>) {
    // RFC 9110, section 5.6.2.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        let message = format!("`{name}` cannot be the name of a header");
        findings.push(document.finding(path, "wrong-value", message));
    }
}

fn is_secret(document: &Document, path: &[&str], text: &str, findings: &mut Vec<Finding>) {
    if secrets_in(text).is_empty() {
        let message = "whoever reads this file could send: write `${secrets.NAME}`, declare NAME under `secrets` in \
                       environments/, and enter it with `weir secrets set NAME`";
        findings.push(document.finding(path, "open-secret", message));
    }
}

/// By route: how senders show that they may send. What has no value is in the findings.
pub(crate) fn hooks(
    project: &Project,
    secrets: &Secrets,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, Verify> {
    let mut hooks = BTreeMap::new();
    for (name, part) in &project.routes {
        let Some(rule) = part.value.source.webhook.as_ref().and_then(|w| w.verify.as_ref()) else {
            continue;
        };
        let mut put = Put::new(&part.document, secrets, findings);
        let mut reveal = |text: &str| {
            let text = put.text(&["source", "webhook", "verify"], text);
            let is_empty = text.as_deref().is_some_and(str::is_empty);
            if is_empty {
                put.say(
                    &["source", "webhook", "verify"],
                    "empty-secret",
                    "the secret is empty: everybody could sign with it",
                );
            }
            text.filter(|_| !is_empty).ok_or(())
        };
        if let Ok(verify) = Verify::new(rule, &mut reveal) {
            hooks.insert(name.clone(), verify);
        }
    }
    hooks
}
