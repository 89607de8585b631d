//! The two systems, a copy of the example between them, and the program that is proved.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::server::Server;
use super::simulator::Simulator;
use crate::workspace::Workspace;

const EXAMPLE: &str = "examples/akeneo-to-spryker";
const SECRETS: [(&str, &str); 3] = [
    ("AKENEO_SECRET", "weir_secret"),
    ("AKENEO_PASSWORD", "weir_password"),
    ("SPRYKER_API_KEY", "weir-api-key"),
];

/// How much is in the catalogue.
#[derive(Clone, Copy)]
pub struct Size {
    /// Categories.
    pub categories: u32,
    /// Attributes.
    pub attributes: u32,
    /// Products: variants and simple ones.
    pub products: u32,
    /// Equal seeds give equal catalogues.
    pub seed: u64,
}

impl Size {
    /// Enough that every kind of content occurs, little enough for seconds.
    pub const SMALL: Self = Self {
        categories: 120,
        attributes: 30,
        products: 400,
        seed: 1,
    };

    /// The catalogue of the demo, with another number of products.
    pub fn of_products(products: u32, seed: u64) -> Self {
        if products <= 1_000 {
            return Self {
                products,
                seed,
                ..Self::SMALL
            };
        }
        Self {
            categories: 1_200,
            attributes: 150,
            products,
            seed,
        }
    }
}

/// How a command ended.
pub struct Outcome {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output, then standard error.
    pub text: String,
}

/// Everything a proof needs; gone when dropped.
pub struct World {
    /// The simulated PIM.
    pub akeneo: Simulator,
    /// The simulated shop.
    pub spryker: Simulator,
    weir: PathBuf,
    secrets: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl World {
    /// Starts both simulators and copies the example with their addresses.
    pub fn build(workspace: &Workspace, size: Size) -> anyhow::Result<Self> {
        Self::build_with(workspace, size, &[])
    }

    /// The same with more options for Spryker, such as `--inactive products`.
    pub fn build_with(workspace: &Workspace, size: Size, spryker: &[&str]) -> anyhow::Result<Self> {
        let weir = workspace
            .weir_binary()
            .context("no `weir` is built: run script/build, or set WEIR_BIN")?;
        let folder = tempfile::Builder::new().prefix("weir-proof-").tempdir()?;
        let log = |name: &str| folder.path().join(format!("{name}.log"));
        let seed = ["--seed".to_owned(), size.seed.to_string()];
        let mut of_akeneo = seed.to_vec();
        for (option, number) in [
            ("--categories", size.categories),
            ("--attributes", size.attributes),
            ("--products", size.products),
        ] {
            of_akeneo.extend([option.to_owned(), number.to_string()]);
        }
        let mut of_spryker = seed.to_vec();
        of_spryker.extend(spryker.iter().map(|&word| word.to_owned()));
        let world = Self {
            akeneo: Simulator::start(&weir, "akeneo", &of_akeneo, &log("akeneo"))?,
            spryker: Simulator::start(&weir, "spryker", &of_spryker, &log("spryker"))?,
            weir,
            secrets: SECRETS
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            folder,
        };
        copy(&workspace.root.join(EXAMPLE), &world.project())?;
        world.replace(
            "environments/dev.yaml",
            "http://127.0.0.1:8082",
            &world.akeneo.url,
        )?;
        world.replace(
            "environments/dev.yaml",
            "http://127.0.0.1:8081",
            &world.spryker.url,
        )?;
        Ok(world)
    }

    /// The copied project.
    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Where Weir keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Replaces the first occurrence of a text in a file of the project, which must be there.
    pub fn replace(&self, file: &str, old: &str, new: &str) -> anyhow::Result<()> {
        replace(&self.project().join(file), old, new)
    }

    /// Gives a secret another value.
    pub fn set_secret(&mut self, name: &str, value: &str) {
        for secret in &mut self.secrets {
            if secret.0 == name {
                value.clone_into(&mut secret.1);
            }
        }
    }

    /// Starts `weir serve` without waiting for it.
    pub fn serve(&self) -> anyhow::Result<Server> {
        let log = self.folder.path().join("weir.log");
        Server::start(self.command(), "akeneo-to-spryker", &self.data(), &log)
    }

    /// Starts `weir serve` and waits until it answers.
    pub fn serve_and_wait(&self) -> anyhow::Result<Server> {
        let mut server = self.serve()?;
        server.wait_up()?;
        Ok(server)
    }

    /// Runs one command of the program and waits for its end.
    pub fn weir(&self, arguments: &[&str]) -> anyhow::Result<Outcome> {
        let output = self
            .command()
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .with_context(|| format!("could not run `weir {}`", arguments.join(" ")))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        Ok(Outcome {
            code: output.status.code().unwrap_or(-1),
            text,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.weir);
        command
            .env("WEIR_PROJECT", self.project())
            .env("WEIR_DATA", self.data())
            .envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Replaces the first occurrence of a text in a file, which must be there.
pub fn replace(path: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    if !text.contains(old) {
        bail!(
            "{} does not contain `{old}` any more: correct what is proved or measured with it",
            path.display()
        );
    }
    Ok(std::fs::write(path, text.replacen(old, new, 1))?)
}

/// Copies a project folder without what Weir keeps in it.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_name() == ".weir" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
