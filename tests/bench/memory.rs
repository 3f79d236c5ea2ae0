//! The memory that a process uses.

use anyhow::{Context, Result};

/// `field` is `VmRSS` for the present usage, `VmHWM` for the highest so far.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib = line.trim_start_matches(':').split_whitespace().next().context("no number")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
