//! How much time of the processors a process has had.

use anyhow::{Context, Result};

/// The kernel counts in hundredths of a second, whatever its own clock does.
const TICKS_A_SECOND: f64 = 100.0;

/// User and system time of all threads, those that have ended too, and of the children that were waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no name in it")?;
    let ticks = fields.split(' ').skip(11).take(4).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_A_SECOND)
}
