//! What Linux knows of a running process (proc(5)).

use anyhow::Context;

/// What Linux counts processor time in on every machine we know (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that a process has used, in seconds: user and system together.
pub(super) fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th word behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks: Vec<f64> = behind
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|word| word.parse().ok())
        .collect();
    anyhow::ensure!(ticks.len() == 2, "{path} does not read as proc(5) says");
    Ok((ticks[0] + ticks[1]) / TICKS_PER_SECOND)
}

/// One line of a process's memory, such as `VmHWM` (the most it ever had) or `VmRSS` (now), in MB.
pub(super) fn memory_mb(id: u32, line: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{id}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .map(|kb| kb / 1_024.0)
        .with_context(|| format!("{path} has no {line}"))
}
