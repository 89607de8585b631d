//! S5: one product with a broken price and one that Spryker refuses sink only themselves.

use serde_json::{Value, json};

use super::{Options, SETTLE_WITHIN, expect};
use crate::harness::{Size, Verdict, World};
use crate::kill_test::ROUTES;
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    let price = world.akeneo.post("change", &json!({ "kind": "break_price" }))?;
    let refused = world.akeneo.post("change", &json!({ "kind": "refuse" }))?;
    let keys = [text(&price["identifier"]), text(&refused["identifier"])];
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;

    let dead = server.tasks("dead")?;
    for (key, field) in [(&keys[0], "price"), (&keys[1], "name")] {
        let found = dead.iter().find(|task| text(&task["key"]) == *key);
        let message = found.map_or("", |task| task["error"]["message"].as_str().unwrap_or_default());
        let whole = found.map(Value::to_string).unwrap_or_default();
        expect(found.is_some(), || {
            format!("`{key}` should be dead, dead are: {dead:?}")
        })?;
        expect(
            message.len() > 20
                && whole.contains("correct")
                && whole.contains(field)
                && whole.contains(key.as_str()),
            || format!("the failure of `{key}` should name it, `{field}` and what to correct: {whole}"),
        )?;
    }
    for task in dead.iter().chain(&server.tasks("waiting")?) {
        let key = text(&task["key"]);
        expect(keys.contains(&key), || format!("another task sank too: {task}"))?;
    }
    for task in server.tasks("waiting")? {
        let shown = server.call("GET", &format!("/tasks/{}", text(&task["id"])), None)?;
        expect(
            shown["waits_for"].to_string().contains(&text(&task["key"])),
            || format!("a waiting task does not name what it waits for: {shown}"),
        )?;
    }
    let arrived = world.spryker.get("keys?kind=concretes")?["count"]
        .as_u64()
        .unwrap_or(0);
    expect(arrived >= u64::from(Size::SMALL.products) - 2, || {
        format!("only {arrived} of {} products arrived", Size::SMALL.products)
    })?;

    world.akeneo.post("change", &json!({ "kind": "repair" }))?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
