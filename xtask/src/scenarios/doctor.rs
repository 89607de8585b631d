//! S8: `weir doctor` says in a sentence of its own what is wrong with a connection.

use super::{Options, expect};
use crate::harness::{Size, World};
use crate::workspace::Workspace;

const TINY: Size = Size {
    categories: 20,
    attributes: 20,
    products: 20,
    seed: 1,
};

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let mut world = World::build(workspace, TINY)?;
    let outcome = world.weir(&["doctor"])?;
    expect(outcome.code == 0, || {
        format!("with everything right the doctor complains: {}", outcome.text)
    })?;

    world.set_secret("AKENEO_PASSWORD", "wrong");
    says(&world, "akeneo", &["password"])?;
    world.set_secret("AKENEO_PASSWORD", "weir_password");

    world.replace(
        "connections/spryker.yaml",
        "  api_key: { key: \"${secrets.SPRYKER_API_KEY}\" }",
        "  password: { username: mfa@weir.example, password: \"${secrets.SPRYKER_API_KEY}\" }",
    )?;
    world.set_secret("SPRYKER_API_KEY", "change123");
    says(&world, "spryker", &["second factor", "API key"])?;

    world.akeneo.stop();
    let url = world.akeneo.url.clone();
    says(
        &world,
        "akeneo",
        &["could not", url.trim_start_matches("http://")],
    )?;
    drop(world);

    let world = World::build_with(workspace, TINY, &["--inactive", "stores"])?;
    says(&world, "spryker", &["stores", "not active"])
}

/// A resource that the project writes and that nobody has switched on.
pub(super) fn resources(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build_with(workspace, TINY, &["--inactive", "product-abstracts"])?;
    says(&world, "spryker", &["product-abstracts", "not active"])
}

/// The doctor fails, and one line about the connection has all these words.
fn says(world: &World, connection: &str, words: &[&str]) -> anyhow::Result<()> {
    let outcome = world.weir(&["doctor"])?;
    let told = outcome
        .text
        .lines()
        .filter(|line| line.starts_with("FAILED") && line.contains(connection))
        .any(|line| {
            words
                .iter()
                .all(|word| line.to_lowercase().contains(&word.to_lowercase()))
        });
    expect(outcome.code == 1 && told, || {
        format!(
            "the doctor should fail and say {words:?} about `{connection}`; exit code {}, it said:\n{}",
            outcome.code, outcome.text
        )
    })
}
