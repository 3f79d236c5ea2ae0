//! The CPU time that a process has used.

use anyhow::{Context, Result};

/// The kernel reports in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of all threads, also of ended ones, and of the children that were waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no process name")?;
    let ticks = fields.split(' ').skip(11).take(4).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}
