//! Exit codes; `weir --help` lists them.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    /// It ran, and what it looked at is not good: findings, failed cases, an unclean demo, a bad connection.
    Findings,
    /// It could not do its work: no such file, no server, refused.
    Failed,
}

impl Exit {
    pub(crate) fn of(good: bool) -> Exit {
        if good { Exit::Ok } else { Exit::Findings }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Findings => 1,
            // 2 is what the command line's reader says when it does not understand its words.
            Exit::Failed => 3,
        }
    }
}

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, and everything is good
  1  done, and something is not good: findings, failed cases, dead tasks, a connection that does not work
  2  the command line was not understood
  3  could not be done: the message says what to do next";
