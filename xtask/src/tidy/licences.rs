//! Licences of all dependencies against the allow list in deny.toml, for machines without cargo-deny.
//!
//! cargo-deny also looks at advisories, yanked versions and sources; this rule does not.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let allowed = allow_list(&workspace.text(Path::new("deny.toml")).unwrap_or_default());
    anyhow::ensure!(
        !allowed.is_empty(),
        "deny.toml holds no `allow = [ … ]` list of licences"
    );
    let mut findings = Findings::default();
    for package in &workspace.metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        match &package.license {
            Some(expression) if permitted(expression, &allowed) => {}
            Some(expression) => findings.errors.push(format!(
                "{name} is under `{expression}`, which deny.toml does not allow: replace it, or argue the licence there"
            )),
            None => findings.errors.push(format!("{name} names no licence: replace it")),
        }
    }
    findings.notes.push(format!(
        "{} packages looked at",
        workspace.metadata.packages.len()
    ));
    Ok(findings)
}

/// The quoted entries of `allow = [ … ]`.
pub fn allow_list(deny_toml: &str) -> Vec<String> {
    deny_toml
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .skip_while(|line| !line.starts_with("allow = ["))
        .take_while(|line| *line != "]")
        .filter_map(|line| line.strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Whether a licence expression (SPDX; the old `A/B` means `OR`) can be met with allowed licences alone.
pub fn permitted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    let permitted = reader.any();
    permitted && reader.words.is_empty()
}

/// A reader of the grammar `any = all { OR all }`, `all = one { AND one }`, `one = ( any ) | id [ WITH id ]`.
struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Reader<'_> {
    fn any(&mut self) -> bool {
        let mut permitted = self.all();
        while self.take("OR") {
            permitted |= self.all();
        }
        permitted
    }

    fn all(&mut self) -> bool {
        let mut permitted = self.one();
        while self.take("AND") {
            permitted &= self.one();
        }
        permitted
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let permitted = self.any();
            return self.take(")") && permitted;
        }
        let Some((id, rest)) = self.words.split_first() else {
            return false;
        };
        self.words = rest;
        let mut name = (*id).to_owned();
        if self.take("WITH") {
            let Some((exception, rest)) = self.words.split_first() else {
                return false;
            };
            self.words = rest;
            name = format!("{name} WITH {exception}");
        }
        self.allowed.contains(&name)
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}
