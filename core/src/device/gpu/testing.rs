//! A device for tests: every kernel's cases run on it.

use std::sync::OnceLock;

use super::{Adapter, Gpu};

/// Returns the device that tests share: a real GPU before a software one. None, said aloud, where there is no adapter; with `REQUIRE_GPU=1` that fails.
pub(crate) fn gpu() -> Option<Gpu> {
    static SHARED: OnceLock<Option<Gpu>> = OnceLock::new();
    let found = SHARED.get_or_init(|| {
        let mut all = Adapter::all();
        all.sort_by_key(|adapter| adapter.kind() == super::AdapterKind::Software);
        all.first().map(|adapter| adapter.open().unwrap())
    });
    if found.is_none() {
        let required = std::env::var_os("REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "no adapter, and REQUIRE_GPU is 1");
        println!("skipped on wgpu: no adapter");
    }
    found.clone()
}

/// Checks the text of a kernel: naga accepts it, and its buffers are declared as the kernel says.
pub(crate) fn validate(kernel: &super::Kernel) -> Result<(), String> {
    let text = kernel.text();
    let module = naga::front::wgsl::parse_str(&text)
        .map_err(|error| format!("{}: {}", kernel.name, error.emit_to_string(&text)))?;
    let all = naga::valid::Capabilities::SUBGROUP;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), all)
        .validate(&module)
        .map_err(|error| format!("{}: {}", kernel.name, error.emit_to_string(&text)))?;
    if !module
        .entry_points
        .iter()
        .any(|entry| entry.name == kernel.entry)
    {
        return Err(format!(
            "{} has no entry point {}",
            kernel.name, kernel.entry
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Call, Kernel, Table};
    use super::*;
    use crate::dims::Matrix;

    const DOUBLE: Kernel = Kernel {
        name: "test: double",
        source: "
@group(0) @binding(1) var<uniform> params: vec4<u32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> into: array<f32>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = group + origin.xyz;
    let i = ((at.z * params.y + at.y) * params.x + at.x) * WIDTH + thread;
    if i < params.z {
        into[i] += 2.0 * values[i];
    }
}",
        entry: "main",
        constants: &[("WIDTH", 32)],
        buffers: &[Access::Read, Access::Write],
    };

    #[test]
    fn large_runs_are_split_and_reach_every_group_once() {
        validate(&DOUBLE).unwrap();
        assert!(
            validate(&Kernel {
                entry: "other",
                ..DOUBLE
            })
            .is_err()
        );
        assert!(
            validate(&Kernel {
                source: "fn main( {}",
                ..DOUBLE
            })
            .is_err()
        );
        let Some(gpu) = gpu() else { return };
        let values: Vec<f32> = (0..7 * 5 * 3 * 32 - 9).map(|i| i as f32).collect();
        let from = gpu.upload("from", &values).unwrap();
        for work in [1.0, 4e6, 3e7] {
            let into = gpu.zeros("into", values.len()).unwrap();
            let mut recorder = gpu.record();
            let call = Call {
                groups: [7, 5, 3],
                work,
                params: [7, 5, values.len() as u32, 0],
                buffers: &[&from, &into],
            };
            recorder.run(&DOUBLE, call).unwrap();
            recorder.submit().unwrap();
            let got: Vec<f32> = gpu.read(&into, 0..values.len()).unwrap();
            assert!(
                got.iter()
                    .zip(&values)
                    .all(|(got, value)| *got == 2.0 * value),
                "{work}"
            );
        }
    }

    #[test]
    fn a_table_over_several_buffers_comes_back_whole() {
        let Some(gpu) = gpu() else { return };
        let gpu = gpu.with_binding_limit(300 * 12);
        let matrix = Matrix::new(700, 3, (0..2100).map(|i| i as f32).collect()).unwrap();
        let table = Table::upload(&gpu, "table", &matrix).unwrap();
        assert_eq!(
            table
                .blocks()
                .map(|block| block.rows.start)
                .collect::<Vec<_>>(),
            [0, 256, 512]
        );
        let mut back = Matrix::zeros(700, 3);
        table.read(&gpu, &mut back).unwrap();
        assert_eq!(back.values(), matrix.values());
        assert!(
            gpu.zeros("too much", 1_000)
                .unwrap_err()
                .to_string()
                .contains("too much")
        );
    }

    #[test]
    fn a_device_that_draws_a_window_answers_several_threads_on_wgpu() {
        let Some(gpu) = gpu() else { return };
        // A device of its own: it waits in another way from now on.
        let all = Adapter::all();
        let own = all.iter().find(|adapter| adapter.id == gpu.id()).unwrap();
        let own = own.open().unwrap();
        own.share_with_window();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let own = &own;
                scope.spawn(move || {
                    (0..16).for_each(|round| double(own, (thread * 16 + round) as f32));
                });
            }
        });
    }

    /// Adds twice `value` to zeros four times, in as many slices.
    fn double(gpu: &Gpu, value: f32) {
        let from = gpu.upload("from", &[value; 64]).unwrap();
        let into = gpu.zeros("into", 64).unwrap();
        let mut recorder = gpu.record();
        let call = Call {
            groups: [2, 1, 1],
            work: 1e9, // more than a slice holds
            params: [2, 1, 64, 0],
            buffers: &[&from, &into],
        };
        for _ in 0..4 {
            recorder.run(&DOUBLE, call).unwrap();
        }
        recorder.submit().unwrap();
        let got: Vec<f32> = gpu.read(&into, 0..64).unwrap();
        assert_eq!(got, [8.0 * value; 64]);
    }

    #[test]
    fn timestamps_name_kernels() {
        let Some(gpu) = gpu() else { return };
        // A device of its own: times are taken of everything that runs on it.
        let all = Adapter::all();
        let alone = all
            .iter()
            .find(|adapter| adapter.id == gpu.id())
            .unwrap()
            .open()
            .unwrap();
        alone.time_kernels(true);
        let buffer = alone.upload("values", &[1.0_f32; 64]).unwrap();
        let into = alone.zeros("into", 64).unwrap();
        let mut recorder = alone.record();
        for _ in 0..300 {
            let call = Call {
                groups: [2, 1, 1],
                work: 64.0,
                params: [2, 1, 64, 0],
                buffers: &[&buffer, &into],
            };
            recorder.run(&DOUBLE, call).unwrap();
        }
        recorder.submit().unwrap();
        assert_eq!(alone.read::<f32>(&into, 0..64).unwrap(), [600.0; 64]);
        if let Some(times) = alone.take_times() {
            assert!(times["test: double"] > 0.0);
        }
        alone.give_up("was unplugged");
        assert!(
            alone
                .zeros("more", 1)
                .unwrap_err()
                .to_string()
                .contains("was unplugged")
        );
    }
}
