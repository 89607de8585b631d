//! What SQLite says, in the words of the one error.

use rusqlite::ErrorCode;
use weir_model::{Error, Kind};

/// Inside this crate: either SQLite failed, or the store refuses with a sentence.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl Fault {
    /// The disk or the file is at fault, not the list that was being written: nothing of the group can be trusted to be
    /// written.
    pub(crate) fn sinks_group(&self) -> bool {
        match self {
            Fault::Sql(error) => kind(error) == Kind::Unavailable,
            Fault::Refused(_) => false,
        }
    }

    /// `doing` completes "could not …".
    pub(crate) fn into_error(self, doing: &str) -> Error {
        match self {
            Fault::Refused(error) => error,
            Fault::Sql(error) => explain(doing, &error),
        }
    }
}

pub(crate) fn explain(doing: &str, error: &rusqlite::Error) -> Error {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk (or the store's size limit) is full; free space and try again",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the file is damaged; stop Weir and restore the last backup"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file may not be written; check its owner and rights"
        }
        Some(ErrorCode::ConstraintViolation) => "a row with this identity is already there",
        _ => match kind(error) {
            Kind::Unavailable => {
                "the disk did not do what was asked; look at the system's log, then try again"
            }
            _ => "this is a fault in Weir, please report it",
        },
    };
    Error::new(kind(error), format!("could not {doing}: {advice}")).source(error)
}

fn kind(error: &rusqlite::Error) -> Kind {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Kind::Conflict,
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::OperationInterrupted
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NotADatabase,
        ) => Kind::Unavailable,
        Some(ErrorCode::TooBig) => Kind::Limit,
        _ => Kind::Bug,
    }
}

pub(crate) fn closing() -> Error {
    Error::new(
        Kind::Unavailable,
        "the store is closing and takes no more changes; try again when Weir is up",
    )
}
