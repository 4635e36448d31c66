//! Facts of an adapter in Umbra's words, and what kernels need of one.

/// Kind of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterKind {
    /// Graphics card with memory of its own.
    Discrete,
    /// Graphics unit that shares the processor's memory.
    Integrated,
    /// Virtual or unknown.
    Other,
    /// Driver that computes on the processor (lavapipe, WARP).
    Software,
}

impl AdapterKind {
    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Other => "other",
            Self::Software => "software",
        }
    }
}

/// Facts of an adapter as the system tells them.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterFacts {
    /// Id that the setting `device` takes: `wgpu:N`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Driver and its version.
    pub driver: String,
    /// Backend: Vulkan, Metal or DirectX 12.
    pub backend: String,
    /// Kind.
    pub kind: AdapterKind,
    /// Memory, in bytes: of the card, or the machine's where it is shared; none if the system does not tell.
    pub memory_bytes: Option<u64>,
    /// Limits that kernels meet.
    pub limits: AdapterLimits,
    /// Features that kernels may use.
    pub features: AdapterFeatures,
    /// Name, driver and place in the machine: measurements are remembered under it.
    pub identity: String,
}

/// Limits of an adapter that kernels meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterLimits {
    /// Bytes that a kernel can bind at once.
    pub binding_bytes: u64,
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
    /// Bytes of memory that a workgroup shares.
    pub workgroup_bytes: u32,
    /// Threads of a workgroup.
    pub workgroup_threads: u32,
    /// Workgroups along one dimension.
    pub workgroups: u32,
}

/// Features of an adapter that kernels may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is present or not, whatever the others are"
)]
pub struct AdapterFeatures {
    /// Subgroup operations.
    pub subgroup: bool,
    /// 16-bit floats in kernels.
    pub f16: bool,
    /// Times of single kernels.
    pub timestamps: bool,
    /// Dot products of four packed 8-bit integers in shaders, which the compiler emulates where the adapter has none.
    pub packed_dot: bool,
}

impl AdapterFeatures {
    /// Names of those that are present, as people read them.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("subgroups", self.subgroup),
            ("16-bit floats", self.f16),
            ("timestamps", self.timestamps),
            ("packed dot products", self.packed_dot),
        ];
        let present = all.into_iter().filter(|(_, present)| *present);
        present.map(|(name, _)| name).collect()
    }
}

impl AdapterLimits {
    /// Least limits on which every kernel runs.
    pub const NEEDED: Self = Self {
        binding_bytes: 16 << 20,
        storage_buffers: 8,
        workgroup_bytes: 16 << 10,
        workgroup_threads: 256,
        workgroups: 65_535,
    };
    /// Rows of a table that a kernel binds at once, at least.
    const ROWS: u64 = 128;

    /// Says, as a predicate of the adapter, what it lacks to run kernels on rows of `width` numbers; none if it lacks nothing.
    pub fn lack(&self, width: usize) -> Option<String> {
        let needed = Self::NEEDED;
        let row = 4 * width as u64;
        let binding = needed.binding_bytes.max(Self::ROWS.saturating_mul(row));
        let limits = [
            (
                "storage buffers per kernel",
                u64::from(self.storage_buffers),
                u64::from(needed.storage_buffers),
            ),
            (
                "bytes of workgroup memory",
                u64::from(self.workgroup_bytes),
                u64::from(needed.workgroup_bytes),
            ),
            (
                "threads per workgroup",
                u64::from(self.workgroup_threads),
                u64::from(needed.workgroup_threads),
            ),
            (
                "workgroups per dimension",
                u64::from(self.workgroups),
                u64::from(needed.workgroups),
            ),
            ("bytes per binding", self.binding_bytes, binding),
        ];
        let short = limits.into_iter().find(|(_, own, needed)| own < needed);
        short.map(|(what, own, needed)| format!("offers {own} {what}, {needed} are needed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_lacks_something_is_told_what() {
        let whole = AdapterLimits::NEEDED;
        assert_eq!(whole.lack(4_096), None);
        let said = whole.lack(65_536).unwrap();
        assert_eq!(
            said,
            "offers 16777216 bytes per binding, 33554432 are needed"
        );
        let few = AdapterLimits {
            storage_buffers: 4,
            ..whole
        };
        let said = few.lack(1).unwrap();
        assert_eq!(said, "offers 4 storage buffers per kernel, 8 are needed");
        let narrow = AdapterLimits {
            workgroup_threads: 128,
            ..whole
        };
        assert!(narrow.lack(1).unwrap().contains("128 threads"));
    }
}
