//! S2: only what changed is delivered.

use anyhow::Context;
use serde_json::{Value, json};

use super::{Options, SETTLE_WITHIN, expect};
use crate::harness::{Connection, Size, Verdict, World, ask};
use crate::kill_test::ROUTES;
use crate::workspace::Workspace;

const CHANGED: u64 = 10;

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()?;

    let first = server.total("delivered")?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    let second = server.total("delivered")?;
    expect(first > 0 && second == first, || {
        format!("the second run delivered {} things, not 0", second - first)
    })?;

    let changed = json!({ "kind": "change_variants", "count": CHANGED });
    world.akeneo.post("change", &changed)?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    let third = server.total("delivered")?;
    expect(third - second == CHANGED, || {
        let status = server.status().unwrap_or_default();
        format!(
            "after {CHANGED} changed variants {} things were delivered; status: {status}",
            third - second
        )
    })?;

    let (code, parent) = leaf_and_root(&world)?;
    let moved = json!({ "kind": "move_category", "code": code, "parent": parent });
    world.akeneo.post("change", &moved)?;
    server.run(&["categories"])?;
    server.wait_settled(SETTLE_WITHIN)?;
    let now = parent_in_shop(&world, &code)?;
    expect(now == parent, || {
        format!("`{code}` was moved under `{parent}` but hangs under `{now}` in the shop")
    })?;
    Verdict::reach(&world, &server)?.must_be_clean()
}

/// A category without children below a second level, and the root it shall move to.
fn leaf_and_root(world: &World) -> anyhow::Result<(String, String)> {
    let keys = world.akeneo.get("keys?kind=categories")?;
    let codes: Vec<&str> = keys["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut parents = Vec::new();
    for code in &codes {
        if let Ok(parent) = parent_in_shop(world, code)
            && !parent.is_empty()
        {
            parents.push(((*code).to_owned(), parent));
        }
    }
    let is_parent = |code: &str| parents.iter().any(|(_, parent)| parent == code);
    let (leaf, under) = parents
        .iter()
        .find(|(code, parent)| !is_parent(code) && parents.iter().any(|(other, _)| other == parent))
        .context("the catalogue has no leaf below the second level")?;
    let target = parents
        .iter()
        .map(|(_, parent)| parent)
        .find(|parent| *parent != under)
        .context("the catalogue has only one parent")?;
    Ok((leaf.clone(), target.clone()))
}

/// The key of the category above, as the shop has it; empty for what hangs nowhere.
pub(super) fn parent_in_shop(world: &World, code: &str) -> anyhow::Result<String> {
    let id = first(world, "categories", "category_key", code)?["id_category"].clone();
    let node = first(world, "category-nodes", "fk_category", &id.to_string())?;
    if node["fk_parent_category_node"].is_null() {
        return Ok(String::new());
    }
    let above = node["fk_parent_category_node"].to_string();
    let above = first(world, "category-nodes", "id_category_node", &above)?["fk_category"].to_string();
    let above = first(world, "categories", "id_category", &above)?;
    Ok(above["category_key"].as_str().unwrap_or_default().to_owned())
}

/// The first row of a resource whose field has a value, read as any client of the shop would.
pub(super) fn first(world: &World, resource: &str, field: &str, value: &str) -> anyhow::Result<Value> {
    let value = value.trim_matches('"');
    let mut connection = Connection::tcp(&world.spryker.url)?;
    let path = format!("/dynamic-entity/{resource}?filter[{resource}.{field}]={value}&api_key=weir-api-key");
    let answer = ask(&mut connection, "GET", &path, None)?;
    answer["data"]
        .get(0)
        .cloned()
        .with_context(|| format!("the shop has no {resource} with {field} {value}"))
}
