//! Memory of the process, where the system reports it: Linux's `/proc/self`.

use std::fs;

/// Returns the resident bytes.
pub(super) fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// Returns the peak of resident bytes since [`reset_peak`].
pub(super) fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// Resets the peak. Without permission the peak of the whole process remains, which only makes the figure larger.
pub(super) fn reset_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn status(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
