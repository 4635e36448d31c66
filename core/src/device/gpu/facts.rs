//! Reads the facts of an adapter from wgpu, and its memory from Vulkan, which wgpu does not pass on.

use super::super::facts::{AdapterFacts, AdapterFeatures, AdapterKind, AdapterLimits};
use super::super::memory::machine_memory;
use super::Adapter;

/// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
#[cfg(not(target_vendor = "apple"))]
const LOCAL: u32 = 1;

impl Adapter {
    /// Returns what the system tells of the adapter.
    pub fn facts(&self) -> AdapterFacts {
        let info = self.raw.get_info();
        let limits = self.raw.limits();
        let features = self.raw.features();
        let language = self.instance.wgsl_language_features();
        let driver = [info.driver.trim(), info.driver_info.trim()].join(" ");
        let identity = format!(
            "{} · {} · {} · {:04x}:{:04x} · {}",
            info.name, info.backend, driver, info.vendor, info.device, info.device_pci_bus_id
        );
        AdapterFacts {
            id: self.id.clone(),
            driver: driver.trim().to_owned(),
            backend: info.backend.to_string(),
            kind: self.kind(),
            memory_bytes: self.memory_bytes(),
            limits: AdapterLimits {
                binding_bytes: limits
                    .max_storage_buffer_binding_size
                    .min(limits.max_buffer_size),
                storage_buffers: limits.max_storage_buffers_per_shader_stage,
                workgroup_bytes: limits.max_compute_workgroup_storage_size,
                workgroup_threads: limits.max_compute_invocations_per_workgroup,
                workgroups: limits.max_compute_workgroups_per_dimension,
            },
            features: AdapterFeatures {
                subgroup: features.contains(wgpu::Features::SUBGROUP),
                f16: features.contains(wgpu::Features::SHADER_F16),
                timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
                packed_dot: language
                    .contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct),
            },
            name: info.name,
            identity,
        }
    }

    /// Memory of the adapter: its own, or the machine's where it shares that.
    fn memory_bytes(&self) -> Option<u64> {
        match self.kind() {
            AdapterKind::Integrated | AdapterKind::Software => machine_memory(),
            AdapterKind::Discrete | AdapterKind::Other => self.local_memory(),
        }
    }

    /// Size of the largest heap that Vulkan calls local to the device.
    #[cfg(not(target_vendor = "apple"))]
    #[expect(unsafe_code, reason = "Vulkan's own handles answer only raw calls")]
    fn local_memory(&self) -> Option<u64> {
        // SAFETY: the handles are used while the guard lives, and neither is destroyed.
        let properties = unsafe {
            let adapter = self.raw.as_hal::<wgpu::hal::api::Vulkan>()?;
            let instance = adapter.shared_instance().raw_instance();
            instance.get_physical_device_memory_properties(adapter.raw_physical_device())
        };
        let heaps = properties.memory_heaps;
        let heaps = heaps.iter().take(properties.memory_heap_count as usize);
        let local = heaps.filter(|heap| heap.flags.as_raw() & LOCAL != 0);
        local.map(|heap| heap.size).max()
    }

    #[cfg(target_vendor = "apple")]
    fn local_memory(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::gpu;

    #[test]
    fn the_facts_of_an_adapter_are_those_of_its_device() {
        let Some(gpu) = gpu() else { return };
        let all = Adapter::all();
        let adapter = all.iter().find(|one| one.id == gpu.id()).unwrap();
        let facts = adapter.facts();
        assert_eq!(facts.limits.lack(4_096), None, "{facts:?}");
        assert_eq!(facts.limits.binding_bytes, gpu.binding_limit());
        assert!(facts.identity.contains(&facts.name), "{facts:?}");
        assert!(facts.memory_bytes.is_some_and(|bytes| bytes > 64 << 20));
        // Asked of any driver: lavapipe is no card, and still says what Vulkan calls local.
        assert!(adapter.local_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
