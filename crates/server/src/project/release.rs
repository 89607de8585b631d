//! Releases: numbered, immutable states of the folder.

use weir_model::Error;
use weir_sdk::Context;
use weir_sdk::store::{Change, Release, Store};

use super::Project;

/// The release of the folder as it is: the newest stored one when nothing changed, else a new one.
pub(crate) async fn put_release(
    project: &Project,
    store: &dyn Store,
    context: &Context,
    author: &str,
) -> Result<u64, Error> {
    let hash = project.hash();
    let newest = store.release(&project.scope, None).await?;
    if let Some(newest) = &newest
        && newest.hash == hash
    {
        return Ok(newest.number);
    }
    let number = newest.map_or(1, |release| release.number + 1);
    let release = Release {
        scope: project.scope.clone(),
        number,
        hash,
        at: context.clock.now(),
        author: author.to_owned(),
        files: project.texts.clone(),
    };
    store.commit(vec![Change::PutRelease(release)]).await?;
    tracing::info!(
        release.number = number,
        "release {number} made from the project folder"
    );
    Ok(number)
}
