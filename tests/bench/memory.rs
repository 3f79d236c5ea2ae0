//! How much memory a process has.

use anyhow::{Context, Result};

/// `VmRSS` is what it has now, `VmHWM` the most it ever had.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib = line.trim_start_matches(':').split_whitespace().next().context("no number")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
