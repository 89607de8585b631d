//! Runs the commands of one document, with a limit of time, and ends what was left running.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::excerpt;

const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A folder, a search path, and the processes started in it.
pub struct Shell {
    folder: PathBuf,
    path: String,
    repository: PathBuf,
    running: Vec<Child>,
    commands: usize,
}

impl Shell {
    /// A shell in `folder` that finds `weir` and the repository.
    pub fn new(folder: &Path, weir: &Path, repository: &Path) -> Self {
        let programs = weir.parent().unwrap_or(Path::new("/")).display().to_string();
        Self {
            folder: folder.to_path_buf(),
            path: format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()),
            repository: repository.to_path_buf(),
            running: Vec::new(),
            commands: 0,
        }
    }

    /// Runs a command and gives the lines it printed, stdout and stderr together, and its status when it
    /// failed. For a command that ends in
    /// ` &`: what it printed by the time the expected lines were there, or by the time limit.
    pub fn run(&mut self, command: &str, expected: &[String]) -> anyhow::Result<Vec<String>> {
        self.commands += 1;
        let output = self.folder.with_extension(format!("{}.out", self.commands));
        let (foreground, stays) = match command.trim_end().strip_suffix(" &") {
            Some(foreground) => (foreground, true),
            None => (command, false),
        };
        let mut child = self.start(foreground, &output)?;
        let begin = Instant::now();
        loop {
            let printed = lines_of(&output)?;
            if stays && excerpt::matches(expected, &printed) {
                self.running.push(child);
                return Ok(printed);
            }
            if let Some(status) = child
                .try_wait()
                .context("could not wait for a command of a document")?
            {
                let mut printed = lines_of(&output)?;
                if !status.success() {
                    printed.push(format!("[{status}]"));
                }
                return Ok(printed);
            }
            if begin.elapsed() > COMMAND_TIME_MAX {
                end(&mut child);
                let mut printed = lines_of(&output)?;
                printed.push(format!("[stopped after {} s]", COMMAND_TIME_MAX.as_secs()));
                return Ok(printed);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn start(&self, command: &str, output: &Path) -> anyhow::Result<Child> {
        let stdout =
            File::create(output).with_context(|| format!("could not create {}", output.display()))?;
        let stderr = stdout
            .try_clone()
            .context("could not share a command's output file")?;
        Command::new("bash")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .env("REPOSITORY", &self.repository)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0) // so that what a command started ends with it
            .spawn()
            .with_context(|| format!("could not start `{command}`"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.running.iter_mut().for_each(end);
    }
}

fn end(child: &mut Child) {
    // The group's id is the id of the shell that we started as its leader. A process that is gone already is fine.
    let _ = Command::new("kill")
        .args(["-TERM", "--", &format!("-{}", child.id())])
        .stderr(Stdio::null())
        .status();
    let _ = child.wait();
}

fn lines_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("could not read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::to_owned)
        .collect())
}
