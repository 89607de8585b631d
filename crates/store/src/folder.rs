//! The folder of a store: may we write it, does nobody else, does the disk keep its word, and how fast.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use weir_model::{Error, Kind};

/// File systems whose locks or syncs SQLite cannot rely on.
const NETWORKS: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
];

/// How often a sync is measured; the middle one counts.
const SYNCS: usize = 5;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Middle time of a small write with sync, in microseconds.
    pub(crate) fsync_us: u64,
    /// Holds the lock: it ends with the process, however that ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and takes it for this process.
    pub(crate) fn take(path: &Path) -> Result<Folder, Error> {
        let unusable = |what: &str, error: std::io::Error| {
            Error::new(
                Kind::Configuration,
                format!(
                    "could not {what} the data folder `{}`: name a folder on a local disk that Weir may write",
                    path.display()
                ),
            )
            .source(error)
        };
        fs::create_dir_all(path.join("history")).map_err(|error| unusable("make", error))?;
        let path = path.canonicalize().map_err(|error| unusable("find", error))?;
        if let Some(kind) = network(
            &fs::read_to_string("/proc/self/mounts").unwrap_or_default(),
            &path,
        ) {
            return Err(Error::new(
                Kind::Configuration,
                format!(
                    "the data folder `{}` lies on a network file system ({kind}), where a crash can lose what was \
                     acknowledged: put it on a local disk",
                    path.display()
                ),
            ));
        }
        let lock = lock(&path)?;
        let fsync_us = measure(&path).map_err(|error| unusable("write", error))?;
        Ok(Folder {
            path,
            fsync_us,
            _lock: lock,
        })
    }

    pub(crate) fn main(&self) -> PathBuf {
        self.path.join("main.db")
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.path.join("history")
    }
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let failed = |error: std::io::Error| {
        Error::new(
            Kind::Configuration,
            format!(
                "could not take the lock `{}`: check owner and rights of the folder",
                path.display()
            ),
        )
        .source(error)
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may be between taking the lock and writing its name.
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim() } else { "unknown" };
            return Err(Error::new(
                Kind::Configuration,
                format!(
                    "the data folder `{}` is in use by the process with pid {holder}: stop that one first, or name \
                     another folder",
                    folder.display()
                ),
            )
            .with("pid", holder));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn measure(folder: &Path) -> Result<u64, std::io::Error> {
    let path = folder.join("fsync-test");
    let mut file = File::create(&path)?;
    let mut times = [0; SYNCS];
    for time in &mut times {
        let started = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        *time = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

/// The kind of the file system, when it is one of the network. Where there is no table of mounts nothing is refused.
fn network<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        let place = place.replace("\\040", " ");
        // A later mount on the same place covers the earlier.
        if folder.starts_with(&place) && best.is_none_or(|(length, _)| place.len() >= length) {
            best = Some((place.len(), kind));
        }
    }
    best.map(|(_, kind)| kind).filter(|kind| NETWORKS.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_decides() {
        let mounts =
            "/dev/a / ext4 rw 0 0\nhost:/x /mnt/share nfs4 rw 0 0\n/dev/b /mnt/share/disk xfs rw 0 0\n";
        for (folder, expected) in [
            ("/var/weir", None),
            ("/mnt/share/weir", Some("nfs4")),
            ("/mnt/share/disk/weir", None),
            ("/mnt/sharedisk", None),
        ] {
            assert_eq!(network(mounts, Path::new(folder)), expected, "{folder}");
        }
    }
}
