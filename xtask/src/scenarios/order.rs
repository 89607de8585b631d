//! S3: what comes before the things it needs waits, and goes as soon as they are there.

use anyhow::Context;
use serde_json::{Value, json};

use super::second_run::first;
use super::{Options, SETTLE_WITHIN, expect};
use crate::harness::{Connection, Server, Size, Verdict, World};
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    // Nothing starts by itself, so that the order is ours: the wrong one.
    for route in ["categories", "attributes", "abstracts", "concretes"] {
        world.replace(&format!("routes/{route}.yaml"), "  every: 5m\n", "")?;
    }
    // And the catalogue of axes is read often, so that a late one is noticed within the proof.
    world.replace("lookups/variant-axes.yaml", "refresh: 5m", "refresh: 2s")?;
    world.replace("lookups/family-variants.yaml", "refresh: 10m", "refresh: 2s")?;
    let mut server = world.serve_and_wait()?;
    for route in ["concretes", "abstracts"] {
        server.run(&[route])?;
        let status = server.wait_settled(SETTLE_WITHIN)?;
        let state = &status["routes"][route];
        expect(state["waiting"].as_u64() > Some(0) && state["dead"] == 0, || {
            format!("`{route}` started first should wait, but its state is {state}")
        })?;
    }
    server.run(&["attributes", "categories"])?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()?;
    late_axis(&world, &mut server)
}

/// An attribute that becomes an axis after everything was delivered is sent again, as a super attribute.
fn late_axis(world: &World, server: &mut Server) -> anyhow::Result<()> {
    let (family, variant, axis) = candidate(world)?;
    let before = is_super(world, &axis)?;
    expect(!before, || format!("`{axis}` is a super attribute already"))?;
    world.akeneo.post(
        "change",
        &json!({ "kind": "add_axis", "family": family, "variant": variant, "axis": axis }),
    )?;
    let begin = std::time::Instant::now();
    while !is_super(world, &axis)? {
        expect(begin.elapsed().as_secs() < 60, || {
            let status = server.status().unwrap_or_default();
            format!(
                "`{axis}` became an axis of `{variant}` but did not become a super attribute in the shop within a minute; status: {status}"
            )
        })?;
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    server.wait_settled(SETTLE_WITHIN)?;
    Ok(())
}

fn is_super(world: &World, attribute: &str) -> anyhow::Result<bool> {
    let row = first(world, "product-attribute-keys", "key", attribute)?;
    Ok(row["is_super"] == true || row["is_super"] == 1 || row["is_super"] == "1")
}

/// A family variant and an attribute that selects and is no axis anywhere.
fn candidate(world: &World) -> anyhow::Result<(String, String, String)> {
    let families = akeneo(world, "/api/rest/v1/families?limit=100")?;
    let mut axes = Vec::new();
    let mut variants = Vec::new();
    for family in items(&families) {
        let code = family["code"].as_str().unwrap_or_default().to_owned();
        let listed = akeneo(world, &format!("/api/rest/v1/families/{code}/variants?limit=100"))?;
        for variant in items(&listed) {
            for set in variant["variant_attribute_sets"].as_array().into_iter().flatten() {
                axes.extend(set["axes"].as_array().into_iter().flatten().cloned());
            }
            variants.push((
                code.clone(),
                variant["code"].as_str().unwrap_or_default().to_owned(),
            ));
        }
    }
    let attributes = akeneo(world, "/api/rest/v1/attributes?limit=100")?;
    let axis = items(&attributes)
        .into_iter()
        .find(|attribute| {
            attribute["type"] == "pim_catalog_simpleselect" && !axes.contains(&attribute["code"])
        })
        .context("every selecting attribute is an axis already")?;
    let (family, variant) = variants.into_iter().next().context("no family has variants")?;
    Ok((
        family,
        variant,
        axis["code"].as_str().unwrap_or_default().to_owned(),
    ))
}

fn items(page: &Value) -> Vec<Value> {
    page["_embedded"]["items"].as_array().cloned().unwrap_or_default()
}

/// Reads from the PIM as any client would.
fn akeneo(world: &World, path: &str) -> anyhow::Result<Value> {
    let mut connection = Connection::tcp(&world.akeneo.url)?;
    let credentials = "d2Vpcl9jbGllbnQ6d2Vpcl9zZWNyZXQ="; // weir_client:weir_secret in base64
    let login = json!({ "grant_type": "password", "username": "weir", "password": "weir_password" });
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("authorization".to_owned(), format!("Basic {credentials}")),
    ];
    let answer = connection.send(
        "POST",
        "/api/oauth/v1/token",
        &headers,
        login.to_string().as_bytes(),
    )?;
    let token: Value = serde_json::from_slice(&answer.body).context("the PIM gave no token")?;
    headers[1].1 = format!("Bearer {}", token["access_token"].as_str().unwrap_or_default());
    let answer = connection.send("GET", path, &headers, &[])?;
    serde_json::from_slice(&answer.body).with_context(|| format!("the PIM's answer to {path} is not JSON"))
}
