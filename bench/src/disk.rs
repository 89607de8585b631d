//! The raw ceiling of a disk: one block appended and synced after the other.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

const BLOCK_BYTES: usize = 4_096;

/// Prints `{"syncs_per_second": …, "p99_ms": …}`.
pub(crate) fn run(folder: &Path, writes: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("weir-bench.sync");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&path)?;
    let block = [7_u8; BLOCK_BYTES];
    let mut times: Vec<f64> = Vec::with_capacity(writes as usize);
    let begin = Instant::now();
    for _ in 0..writes {
        let one = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(one.elapsed().as_secs_f64() * 1_000.0);
    }
    let rate = f64::from(writes) / begin.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(&path)?;
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    println!(
        "{}",
        serde_json::json!({ "syncs_per_second": rate, "p99_ms": p99 })
    );
    Ok(())
}
