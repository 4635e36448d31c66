//! The list of all compute shaders.

use crate::device::Kernel;

/// Kernels of each operation, a line each.
pub(crate) const ALL: &[&[Kernel]] = &[
    super::adam::gpu::KERNELS,
    super::add::gpu::KERNELS,
    super::centre::gpu::KERNELS,
    super::charges::gpu::KERNELS,
    super::copy::gpu::KERNELS,
    super::count::gpu::KERNELS,
    super::encode::gpu::KERNELS,
    super::encode::gpu::TILED[0],
    super::encode::gpu::TILED[1],
    super::encode::gpu::TILED[2],
    super::encode::gpu::TILED[3],
    super::finite::gpu::KERNELS,
    super::gather::gpu::KERNELS,
    super::product::KERNELS,
    super::residual::gpu::KERNELS,
    super::scatter::gpu::KERNELS,
    super::sort::KERNELS,
    super::sparse_decode::gpu::KERNELS,
    super::sums::gpu::KERNELS,
    super::through::gpu::KERNELS,
];

#[cfg(test)]
mod tests {
    use crate::device::testing::validate;

    #[test]
    fn every_shader_is_valid_and_binds_few_buffers() {
        for kernel in super::ALL.iter().copied().flatten() {
            validate(kernel).unwrap_or_else(|error| panic!("{error}"));
            assert!(kernel.buffers.len() <= 8, "{}", kernel.name);
        }
    }
}
