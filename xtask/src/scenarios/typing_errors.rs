//! S8: a typing error anywhere in the example is found offline, at its place, with a suggestion.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Options, expect};
use crate::harness::{Size, World};
use crate::workspace::Workspace;

/// One slip: in this file, this text becomes that one; the message must name the right word.
struct Slip {
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
    /// The word that is suggested.
    meant: &'static str,
}

const fn slip(file: &'static str, right: &'static str, wrong: &'static str, meant: &'static str) -> Slip {
    Slip {
        file,
        right,
        wrong,
        meant,
    }
}

const SLIPS: &[Slip] = &[
    slip("weir.yaml", "retention:", "retenton:", "retention"),
    slip("weir.yaml", "attempts: 8", "atempts: 8", "attempts"),
    slip("weir.yaml", "trace: full", "trace: ful", "full"),
    slip("environments/dev.yaml", "secrets:", "secrts:", "secrets"),
    slip("connections/akeneo.yaml", "settings:", "setings:", "settings"),
    slip("connections/akeneo.yaml", "base_url:", "base_ulr:", "base_url"),
    slip(
        "connections/akeneo.yaml",
        "vars.AKENEO_URL",
        "vars.AKENEO_ULR",
        "AKENEO_URL",
    ),
    slip("connections/akeneo.yaml", "username:", "usrname:", "username"),
    slip("connections/spryker.yaml", "api_key:", "api_kye:", "api_key"),
    slip(
        "connections/spryker.yaml",
        "spryker-data-exchange@1",
        "spryker-data-exchnge@1",
        "spryker-data-exchange@1",
    ),
    slip(
        "connections/spryker.yaml",
        "secrets.SPRYKER_API_KEY",
        "secrets.SPRYKER_API_KYE",
        "SPRYKER_API_KEY",
    ),
    slip("routes/categories.yaml", "every:", "evry:", "every"),
    slip(
        "routes/categories.yaml",
        "map: category",
        "map: catgory",
        "category",
    ),
    slip(
        "routes/categories.yaml",
        "route: categories",
        "route: categoris",
        "categories",
    ),
    slip("routes/attributes.yaml", "mode: upsert", "mode: upsrt", "upsert"),
    slip("routes/attributes.yaml", "resend_on:", "resend_no:", "resend_on"),
    slip(
        "routes/attributes.yaml",
        "variant-axes",
        "variant-axis",
        "variant-axes",
    ),
    slip("routes/abstracts.yaml", "waits_for:", "wait_for:", "waits_for"),
    slip(
        "routes/abstracts.yaml",
        "entity: product-models",
        "entity: product-modls",
        "product-models",
    ),
    slip(
        "routes/abstracts.yaml",
        "settled: processed",
        "settled: procesed",
        "processed",
    ),
    slip(
        "routes/concretes.yaml",
        "connection: spryker",
        "connection: sprykr",
        "spryker",
    ),
    slip(
        "routes/concretes.yaml",
        "$root_model(",
        "$root_modle(",
        "$root_model",
    ),
    slip("lookups/variant-axes.yaml", "refresh:", "refrsh:", "refresh"),
    slip("lookups/family-variants.yaml", "refresh:", "refesh:", "refresh"),
    slip("lookups/models.yaml", "connection:", "conection:", "connection"),
    slip("lookups/tax-sets.yaml", "file:", "fiel:", "file"),
    slip("maps/category.jsonata", "$label(", "$labl(", "$label"),
    slip("maps/attribute.jsonata", "$exists(", "$exsts(", "$exists"),
    slip(
        "maps/attribute.jsonata",
        "\"variant-axes\"",
        "\"variant-axs\"",
        "variant-axes",
    ),
    slip(
        "maps/abstract.jsonata",
        "\"tax-sets\"",
        "\"tax-stes\"",
        "tax-sets",
    ),
    slip("maps/concrete.jsonata", "$prices(", "$price(", "$prices"),
    slip("maps/category.cases.yaml", "expect:", "expct:", "expect"),
    slip("maps/attribute.cases.yaml", "input:", "inptu:", "input"),
    slip("maps/abstract.cases.yaml", "input:", "inptu:", "input"),
    slip("maps/concrete.cases.yaml", "exact:", "exat:", "exact"),
    slip("functions.jsonata", "$distinct(", "$distnct(", "$distinct"),
];

/// In a map the variables of the project are an object like any other, whose fields nobody declared there.
const SLIPS_IN_VARIABLES: &[Slip] = &[
    slip("maps/abstract.jsonata", "$vars.STORES", "$vars.STOERS", "STORES"),
    slip(
        "maps/concrete.jsonata",
        "$vars.WAREHOUSE",
        "$vars.WAREHUOSE",
        "WAREHOUSE",
    ),
    slip("functions.jsonata", "$vars.CHANNEL", "$vars.CHANEL", "CHANNEL"),
];

const TINY: Size = Size {
    categories: 20,
    attributes: 20,
    products: 20,
    seed: 1,
};

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, TINY)?;
    let mut complaints = try_all(&world, SLIPS);
    let covered: BTreeSet<&str> = SLIPS.iter().map(|slip| slip.file).collect();
    for file in files(&world.project(), "")? {
        if !covered.contains(file.as_str()) {
            complaints.push(format!("no slip is tried in `{file}`: add one"));
        }
    }
    must_be_empty(&complaints)
}

pub(super) fn in_variables(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, TINY)?;
    must_be_empty(&try_all(&world, SLIPS_IN_VARIABLES))
}

fn try_all(world: &World, slips: &[Slip]) -> Vec<String> {
    let outcomes = slips.iter().map(|slip| one(world, slip));
    outcomes
        .filter_map(|outcome| outcome.err().map(|error| format!("{error:#}")))
        .collect()
}

fn must_be_empty(complaints: &[String]) -> anyhow::Result<()> {
    expect(complaints.is_empty(), || {
        format!("{} complaints:\n{}", complaints.len(), complaints.join("\n"))
    })
}

/// Makes the slip, looks at what `weir check` says, and takes the slip back.
fn one(world: &World, slip: &Slip) -> anyhow::Result<()> {
    let path = world.project().join(slip.file);
    let before = std::fs::read_to_string(&path)?;
    world.replace(slip.file, slip.right, slip.wrong)?;
    let outcome = world.weir(&["check"]);
    std::fs::write(&path, &before)?;
    let outcome = outcome?;
    let at = before.find(slip.right).unwrap_or_default();
    let line = before[..at].matches('\n').count() + 1;
    let place = format!("{}:{line}:", slip.file);
    let meant = format!("did you mean `{}`", slip.meant);
    let told = outcome
        .text
        .lines()
        .any(|line| line.starts_with(&place) && has_column(line, &place) && line.contains(&meant));
    expect(outcome.code == 1 && told, || {
        format!(
            "`{}` instead of `{}` should give `{place}COLUMN: … {meant}`; exit code {}, it said:\n{}",
            slip.wrong, slip.right, outcome.code, outcome.text
        )
    })
}

fn has_column(line: &str, place: &str) -> bool {
    line[place.len()..].starts_with(|first: char| first.is_ascii_digit())
}

/// The files that a person writes by hand: YAML and maps, as paths below the project.
fn files(folder: &Path, below: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/"))?);
        } else if name.ends_with(".yaml") || name.ends_with(".jsonata") {
            found.push(name);
        }
    }
    Ok(found)
}
