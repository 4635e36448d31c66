//! What the process holds, where the system tells: Linux's `/proc/self`.

use std::fs;

/// Resident now, bytes.
pub(super) fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// Most resident since [`reset_peak`], bytes.
pub(super) fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// Begins the peak anew; without that right it goes on from the start of the process, which only makes the figure larger.
pub(super) fn reset_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn status(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
