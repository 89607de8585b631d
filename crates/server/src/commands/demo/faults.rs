//! What goes wrong on request: `[akeneo:|spryker:]KIND[=SHARE]`.

use anyhow::bail;
use serde_json::{Value, json};

use super::simulators::Simulators;
use crate::output::Output;

/// Kinds with the settings that make them worth watching in a demo of minutes.
const KINDS: &[(&str, &str)] = &[
    ("latency", r#"{"probability": 0.2, "delay_ms": 100}"#),
    ("rate_limit", r#"{"probability": 0.05, "retry_after": 1}"#),
    ("status", r#"{"probability": 0.05, "status": 503}"#),
    ("cut", r#"{"probability": 0.03}"#),
    ("truncate", r#"{"probability": 0.03}"#),
    ("invalid_json", r#"{"probability": 0.03}"#),
    ("expire_tokens", r#"{"probability": 0.02, "count": 5}"#),
    ("down", r#"{"skip": 30, "count": 1, "seconds": 10}"#),
    ("late", r#"{"probability": 0.03, "hang_ms": 2000}"#),
];
const BROKEN: &str = "broken";

pub(super) struct Faults {
    /// System and fault, as the control API takes it.
    rules: Vec<(&'static str, Value)>,
    breaks_products: bool,
}

impl Faults {
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Faults> {
        let mut faults = Faults {
            rules: Vec::new(),
            breaks_products: false,
        };
        for word in words
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty())
        {
            let (system, rest) = match word.split_once(':') {
                Some(("akeneo", rest)) => (Some("akeneo"), rest),
                Some(("spryker", rest)) => (Some("spryker"), rest),
                Some((other, _)) => bail!("`{other}` is no simulator: write akeneo:KIND or spryker:KIND"),
                None => (None, word),
            };
            let (kind, share) = match rest.split_once('=') {
                Some((kind, share)) => match share.parse::<f64>() {
                    Ok(share) if (0.0..=1.0).contains(&share) => (kind, Some(share)),
                    _ => {
                        bail!("`{share}` is no share: write a number between 0 and 1, for example {kind}=0.1")
                    }
                },
                None => (rest, None),
            };
            if kind == BROKEN {
                faults.breaks_products = true;
                continue;
            }
            let Some((_, settings)) = KINDS.iter().find(|(name, _)| *name == kind) else {
                let known = KINDS.iter().map(|(name, _)| *name).chain([BROKEN]);
                let suggestion = weir_model::did_you_mean(kind, known.clone())
                    .unwrap_or_else(|| format!("there are: {}", known.collect::<Vec<_>>().join(", ")));
                bail!("there is no fault `{kind}`; {suggestion}");
            };
            let mut rule: Value = serde_json::from_str(settings)?;
            rule["kind"] = json!(kind);
            if let Some(share) = share {
                rule["probability"] = json!(share);
            }
            let systems = system.map_or(&["akeneo", "spryker"][..], |one| {
                if one == "akeneo" {
                    &["akeneo"]
                } else {
                    &["spryker"]
                }
            });
            faults
                .rules
                .extend(systems.iter().map(|system| (*system, rule.clone())));
        }
        Ok(faults)
    }

    /// Products are broken, so dead and waiting tasks are what was asked for.
    pub(super) fn breaks_products(&self) -> bool {
        self.breaks_products
    }

    pub(super) async fn arm(&self, simulators: &Simulators, output: Output) -> anyhow::Result<()> {
        for (system, rule) in &self.rules {
            simulators.ask(system, "faults", Some(rule)).await?;
            output.say(&format!("{system} fails on purpose: {rule}"));
        }
        if self.breaks_products {
            for kind in ["break_price", "refuse"] {
                let broken = simulators
                    .ask("akeneo", "change", Some(&json!({ "kind": kind })))
                    .await?;
                let product = broken["identifier"].as_str().unwrap_or_default();
                output.say(&format!("product {product} is broken on purpose: {kind}"));
            }
        }
        Ok(())
    }
}
