//! Children that cannot be written through their parent: requests of their own, after it, within the same task.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};
use weir_model::{Error, Kind};
use weir_sdk::connector::{Action, Warning};

use crate::manifest::ChildPlan;
use crate::send::{Parcel, Sender};
use crate::shape::{Shape, id_of, natural_rows};
use crate::write::Job;

/// A row below some parent: created without, updated with its own id.
struct Late {
    owner: usize,
    is_new: bool,
    wire: Map<String, Value>,
}

/// Compares and sends them for every row that is done; rows that were created or changed are read again first, since
/// only the target knows the new ids.
pub(crate) async fn follow_up(
    job: &mut Job<'_>,
    done: &mut HashMap<usize, (Action, Value)>,
) -> Result<(), Error> {
    if !has_any(&job.entity.body) && !job.entity.body.children.iter().any(|child| child.rows.is_some()) {
        return Ok(());
    }
    let changed: Vec<usize> = done
        .iter()
        .filter(|(_, (action, _))| *action != Action::Unchanged)
        .map(|(index, _)| *index)
        .collect();
    if !changed.is_empty() {
        for (index, row) in job.current(&changed).await? {
            if let Some(place) = done.get_mut(&index) {
                place.1 = row;
            }
        }
    }
    // By entity: what is to be sent there.
    let mut late: BTreeMap<String, Vec<Late>> = BTreeMap::new();
    let mut failed = Vec::new();
    for (index, (_, there)) in done.iter() {
        let mut warnings = Vec::new();
        let shape = job.shape(*index);
        let body = &job.entity.body;
        match gather(
            &shape,
            body,
            &job.rows[*index].value,
            there,
            *index,
            &mut late,
            &mut warnings,
        ) {
            Ok(()) => job.warnings[*index].extend(warnings),
            Err(error) => failed.push((*index, error)),
        }
    }
    for (index, error) in failed {
        job.fail(index, error);
    }
    for (entity, rows) in late {
        send(job, &entity, rows, done).await?;
    }
    Ok(())
}

fn has_any(plan: &ChildPlan) -> bool {
    plan.children
        .iter()
        .any(|child| child.follow_up.is_some() || has_any(child))
}

fn gather(
    shape: &Shape<'_>,
    plan: &ChildPlan,
    row: &Value,
    there: &Value,
    owner: usize,
    late: &mut BTreeMap<String, Vec<Late>>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    for child in &plan.children {
        let Some(rows) = natural_rows(child, row, shape.entity)? else {
            continue;
        };
        let mut quiet = Vec::new();
        // Children that go with their parent were warned about when it was written.
        let heard = if child.follow_up.is_some() {
            &mut *warnings
        } else {
            &mut quiet
        };
        for (row, old) in shape.pairs(child, &rows, there, heard) {
            if let Some(follow) = &child.follow_up {
                let Some((_, parent)) = id_of(there) else { continue };
                match old {
                    None => {
                        let mut wire = shape.wire(child, row)?;
                        wire.insert(follow.parent.clone(), parent.clone());
                        late.entry(follow.entity.clone()).or_default().push(Late {
                            owner,
                            is_new: true,
                            wire,
                        });
                    }
                    Some(old) => {
                        if let Some(wire) = shape.difference(child, row, old, warnings)? {
                            late.entry(follow.entity.clone()).or_default().push(Late {
                                owner,
                                is_new: false,
                                wire,
                            });
                        }
                    }
                }
            }
            if let Some(old) = old {
                gather(shape, child, row, old, owner, late, warnings)?;
            }
        }
    }
    Ok(())
}

async fn send(
    job: &mut Job<'_>,
    entity: &str,
    rows: Vec<Late>,
    done: &mut HashMap<usize, (Action, Value)>,
) -> Result<(), Error> {
    let plan = job.runtime.entity(entity)?;
    let Some(write) = &plan.write else {
        let message = format!(
            "`{entity}` follows up `{}` and its manifest has no `write`",
            job.entity.name
        );
        return Err(Error::new(Kind::Configuration, message));
    };
    let (new, old): (Vec<Late>, Vec<Late>) = rows.into_iter().partition(|row| row.is_new);
    for (rows, mode, word) in [(new, &write.create, "create"), (old, &write.update, "update")] {
        if rows.is_empty() {
            continue;
        }
        let Some(mode) = mode else {
            let message = format!("the manifest does not say how to {word} `{entity}`");
            return Err(Error::new(Kind::Configuration, message));
        };
        let parcels: Vec<Parcel> = rows
            .into_iter()
            .map(|row| Parcel {
                owner: row.owner,
                key: job.rows[row.owner].key.clone(),
                wire: row.wire,
            })
            .collect();
        let sender = Sender {
            runtime: job.runtime,
            entity: plan,
            plan: write,
            effects: job.effects,
        };
        let fates = sender.send(mode, &format!("{word} {entity}"), &parcels).await;
        for (parcel, fate) in parcels.iter().zip(fates) {
            match fate {
                Ok(_) => {
                    if let Some((action, _)) = done.get_mut(&parcel.owner)
                        && *action == Action::Unchanged
                    {
                        *action = Action::Updated;
                    }
                }
                // Somebody was quicker; the next attempt sees it and compares.
                Err(error) => job.fail(parcel.owner, error),
            }
        }
    }
    Ok(())
}
