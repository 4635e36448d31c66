//! The machine's memory: how much there is, how much this process can still take, and a check before something large is allocated. Also its processor's name.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::error::{Error, Result};

/// Checks that `needed` bytes of memory are free, as far as the system tells; `what` says for what.
pub(crate) fn check_room(needed: u64, what: impl FnOnce() -> String) -> Result<()> {
    match free_memory().filter(|available| needed > *available) {
        None => Ok(()),
        Some(available) => Err(Error::OutOfMemory {
            what: what(),
            needed,
            available,
        }),
    }
}

/// Returns the bytes of memory that this process can still take: the smallest of what the system has available, what its control group leaves (version 1 or 2) and what
/// is left of its limit on address space. None where the system tells nothing.
pub fn free_memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let own = sysinfo::get_current_pid().ok();
    if let Some(own) = own {
        let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, what);
    }
    let process = own.and_then(|own| system.process(own));
    let group = process.and_then(sysinfo::Process::cgroup_limits);
    let limits = Limits {
        available: system.available_memory(),
        group: group.map(|group| (group.total_memory, group.free_memory, group.rss)),
        address_space: address_space(),
        mapped: process.map_or(0, sysinfo::Process::virtual_memory),
    };
    limits.left()
}

/// Gives back to the system what was freed and what the allocator keeps for later: glibc keeps freed blocks of up to 32 MiB, such as a model's weights, in the arena
/// of the thread that asked for them. Takes some milliseconds, so it is for the end of large work. Other allocators give back by themselves.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call into the C library")]
    // SAFETY: it takes a number and no pointer, and locks each arena while it looks through it.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Returns the bytes of memory of this machine, where the system tells.
pub fn machine_memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    Some(system.total_memory()).filter(|bytes| *bytes > 0)
}

/// Returns the name of the processor, or `CPU` where the system does not tell.
pub fn processor() -> String {
    let name = System::new().ok().and_then(|mut system| {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        let first = system.cpus().first()?;
        Some(first.brand().trim().to_owned())
    });
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "CPU".to_owned())
}

/// Limits on the memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    /// Of the whole machine, without swapping; 0 where that is not told.
    available: u64,
    /// Of the control group: its limit, what is not in use, what its processes hold. Pages of files are in use and give way.
    group: Option<(u64, u64, u64)>,
    /// `RLIMIT_AS`.
    address_space: Option<u64>,
    /// Address space in use.
    mapped: u64,
}

impl Limits {
    /// The least that any of them leaves.
    fn left(self) -> Option<u64> {
        let group = (self.group).map(|(limit, free, held)| free.max(limit.saturating_sub(held)));
        let space = (self.address_space).map(|limit| limit.saturating_sub(self.mapped));
        let machine = Some(self.available).filter(|available| *available > 0);
        [machine, group, space].into_iter().flatten().min()
    }
}

/// The limit on the address space of this process, if there is one.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    let soft = rlimit::Resource::AS.get_soft().ok()?;
    (soft < rlimit::INFINITY).then_some(soft)
}

#[cfg(not(unix))]
fn address_space() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of this process that is in use.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn held() -> u64 {
        let own = sysinfo::get_current_pid().unwrap();
        let mut system = System::new().unwrap();
        let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, what);
        system.process(own).unwrap().memory()
    }

    /// Name of the test that runs in a process of its own, and the variable that tells it so.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const ALONE: [&str; 2] = [
        "device::memory::tests::what_was_freed_between_blocks_in_use_goes_back",
        "UMBRA_TEST_ALONE",
    ];

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_was_freed_between_blocks_in_use_goes_back() {
        const MB: usize = 1 << 20;
        let [name, alone] = ALONE;
        if std::env::var_os(alone).is_none() {
            // Other tests of this process take and give memory meanwhile.
            let tests = std::env::current_exe().unwrap();
            let mut again = std::process::Command::new(tests);
            let done = again.args(["--exact", name]).env(alone, "1").output();
            let done = done.unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{said}");
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        // An optimised build leaves out blocks that nobody looks at.
        let block = |bytes| std::hint::black_box(vec![1_u8; bytes]);
        // A freed block as large makes the allocator keep such blocks from then on.
        drop(block(16 * MB));
        let pairs = (0..256).map(|_| (block(MB), std::hint::black_box(Box::new([1_u8; 64]))));
        let (blocks, pins): (Vec<_>, Vec<_>) = pairs.unzip();
        drop(blocks);
        let before = held();
        give_back();
        let after = held();
        assert!(
            after + 128 * MB as u64 <= before,
            "{before} then {after}, {}",
            pins.len()
        );
    }

    #[test]
    fn the_smallest_limit_decides() {
        const GB: u64 = 1 << 30;
        let machine = Limits {
            available: 24 * GB,
            mapped: 3 * GB,
            ..Limits::default()
        };
        assert_eq!(machine.left(), Some(24 * GB));
        let unknown = Limits::default();
        assert_eq!(unknown.left(), None);
        // Of 8 GB 7.5 are in use, 6 of them by pages of files, which give way.
        let group = Limits {
            group: Some((8 * GB, GB / 2, 3 * GB / 2)),
            ..machine
        };
        assert_eq!(group.left(), Some(13 * GB / 2));
        let space = Limits {
            address_space: Some(6 * GB),
            ..group
        };
        assert_eq!(space.left(), Some(3 * GB));
        let used_up = Limits {
            address_space: Some(2 * GB),
            ..group
        };
        assert_eq!(used_up.left(), Some(0));
    }

    #[test]
    fn this_machine_tells_what_is_free() {
        let free = free_memory().unwrap();
        assert!((1 << 20..1 << 50).contains(&free), "{free}");
        assert!(machine_memory().is_some_and(|all| all > 1 << 20));
        assert!(!processor().is_empty());
        assert!(check_room(free / 2, || "half of it".to_owned()).is_ok());
        let said = check_room(1 << 60, || "an ocean".to_owned()).unwrap_err();
        assert!(
            said.to_string()
                .starts_with("an ocean needs 1152921504606846976 bytes")
        );
    }
}
