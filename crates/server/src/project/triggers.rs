//! What makes a source run: from the words of a route to a trigger, everything wrong named.

use jiff::tz::TimeZone;
use weir_engine::configuration::Trigger;
use weir_model::cron::Cron;
use weir_model::schedule::Schedule;
use weir_model::{Finding, config, did_you_mean};
use weir_sdk::document::Document;

use super::references::awaited_route;
use super::{Part, Project};

/// The one trigger of a source; without any it runs when asked.
pub(super) fn trigger(
    project: &Project,
    name: &str,
    part: &Part<config::Route>,
    findings: &mut Vec<Finding>,
) -> Option<Trigger> {
    let (source, document) = (&part.value.source, &part.document);
    if source.webhook.is_some() {
        return Some(Trigger::Asked); // words about reading are findings of the webhook
    }
    let said: Vec<&str> = [
        ("every", source.every.is_some()),
        ("cron", source.cron.is_some()),
        ("after", source.after.is_some()),
        ("manual", source.manual),
    ]
    .into_iter()
    .filter_map(|(word, is_said)| is_said.then_some(word))
    .collect();
    let mut complain = |field: &str, message: String| {
        findings.push(document.finding(&["source", field], "wrong-value", message));
    };
    if let [first, second, ..] = said[..] {
        let message = format!(
            "a source has one trigger, and here stand `{first}` and `{second}`: keep one of them (a run can always be \
             asked for)"
        );
        complain(second, message);
        return None;
    }
    if source.timezone.is_some() && source.cron.is_none() {
        complain(
            "timezone",
            "`timezone` belongs to `cron`, and here is none".to_owned(),
        );
    }
    if source.catch_up.is_some() && source.every.is_none() && source.cron.is_none() {
        let message = "`catch_up` is about turns of `every` or `cron`, and here is neither";
        complain("catch_up", message.to_owned());
    }
    let catch_up = source.catch_up.unwrap_or_default();
    if let Some(every) = source.every {
        if every.ms == 0 {
            complain(
                "every",
                "`every` must be longer than nothing, for example `5m`".to_owned(),
            );
            return None;
        }
        return Some(Trigger::Time {
            schedule: Schedule::Every(every),
            catch_up,
        });
    }
    if let Some(text) = &source.cron {
        let zone = zone(part, findings)?;
        return match Cron::parse(text, zone) {
            Ok(cron) => Some(Trigger::Time {
                schedule: Schedule::Cron(Box::new(cron)),
                catch_up,
            }),
            Err(message) => {
                findings.push(document.finding(&["source", "cron"], "wrong-cron", message));
                None
            }
        };
    }
    match &source.after {
        Some(after) => followed(project, name, part, &after.routes, findings),
        None => Some(Trigger::Asked),
    }
}

/// The zone of a cron expression, by its IANA name.
fn zone(part: &Part<config::Route>, findings: &mut Vec<Finding>) -> Option<TimeZone> {
    let Some(name) = &part.value.source.timezone else {
        return Some(TimeZone::UTC);
    };
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let suggestion = if known.is_empty() {
        "this system has no table of time zones: install its package `tzdata`".to_owned()
    } else {
        let place = |zone: &&String| {
            zone.rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(name))
        };
        match known.iter().find(place) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => did_you_mean(name, known.iter().map(String::as_str))
                .unwrap_or_else(|| "write its IANA name, for example `Europe/Berlin`".to_owned()),
        }
    };
    let message = format!("there is no time zone `{name}`");
    let finding = part
        .document
        .finding(&["source", "timezone"], "unknown-time-zone", message);
    findings.push(finding.suggest(Some(suggestion)));
    None
}

fn followed(
    project: &Project,
    name: &str,
    part: &Part<config::Route>,
    routes: &[String],
    findings: &mut Vec<Finding>,
) -> Option<Trigger> {
    if routes.is_empty() {
        let message = "`after` names the routes that go before, and here is none";
        findings.push(
            part.document
                .finding(&["source", "after"], "wrong-value", message),
        );
        return None;
    }
    for (i, before) in routes.iter().enumerate() {
        let index = i.to_string();
        let place = ["source", "after", "routes", &index];
        awaited_route(project, name, &part.document, &place, before, findings);
        has_runs(project, &part.document, &place, before, findings);
    }
    Some(Trigger::After(routes.to_vec()))
}

/// What arrives by a webhook arrives without a run that could be waited for.
pub(super) fn has_runs(
    project: &Project,
    document: &Document,
    place: &[&str],
    route: &str,
    findings: &mut Vec<Finding>,
) {
    let source = project.routes.get(route).map(|part| &part.value.source);
    if source.is_some_and(|source| source.webhook.is_some()) {
        let message = format!("`{route}` has a webhook and no runs that could be waited for");
        let finding = document.finding(place, "awaits-no-run", message);
        let suggestion = "wait for its keys: `waits_for: [ { route: …, keys: … } ]`";
        findings.push(finding.suggest(Some(suggestion.to_owned())));
    }
}

/// Routes that run after each other would never start, and never end once started.
pub(super) fn cycles(project: &Project, findings: &mut Vec<Finding>) {
    let before = |name: &str| -> Vec<&str> {
        let route = project.routes.get(name);
        route
            .and_then(|part| part.value.source.after.as_ref())
            .map(|after| after.routes.iter().map(String::as_str).collect())
            .unwrap_or_default()
    };
    for (name, part) in &project.routes {
        let mut open: Vec<Vec<&str>> = vec![vec![name]];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(chain) = open.pop() {
            for next in before(chain[chain.len() - 1]) {
                // A ring is said once, at the route whose name comes first.
                if next == name && chain.iter().all(|other| name.as_str() <= *other) {
                    let ring: Vec<&str> = chain.iter().chain([&next]).copied().collect();
                    let message = format!(
                        "routes run after each other in a circle: {}; none of them would ever start",
                        ring.join(" → ")
                    );
                    let suggestion = "give one of them `every`, `cron` or `manual` instead of `after`";
                    let finding = part.document.finding(&["source", "after"], "cycle", message);
                    findings.push(finding.suggest(Some(suggestion.to_owned())));
                } else if seen.insert(next) {
                    open.push(chain.iter().copied().chain([next]).collect());
                }
            }
        }
    }
}
