//! Compute shaders: their text, the buffers that they bind, and the compiled form.

use super::{Gpu, failed, lock};
use crate::error::Result;

/// Use of a buffer by a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// Entry point of a WGSL file.
///
/// Bindings of group 0: 0 the uniform `origin`, which every kernel adds to its `workgroup_id` since large dispatches are split; 1 the uniform of its parameters;
/// from 2 on its buffers. Constants stand before the file's text, so that array sizes may depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kernel {
    /// Name in timings and errors: operation and entry point.
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    pub(crate) entry: &'static str,
    /// Constants of the file, as `u32`.
    pub(crate) constants: &'static [(&'static str, u32)],
    /// Buffers from binding 2 on.
    pub(crate) buffers: &'static [Access],
}

/// Key of a compiled kernel.
pub(super) type Variant = Kernel;

/// A compiled kernel.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Kernel {
    /// Whole text of the shader.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.constants {
            text.extend(["const ", name, ": u32 = ", &value.to_string(), "u;\n"]);
        }
        text.push_str("@group(0) @binding(0) var<uniform> origin: vec4<u32>;\n");
        text.push_str(self.source);
        text
    }

    /// Compiles the kernel for `gpu`, once.
    pub(super) fn compiled(&self, gpu: &Gpu) -> Result<Compiled> {
        if let Some(compiled) = lock(&gpu.shared.pipelines).get(self) {
            return Ok(compiled.clone());
        }
        let device = &gpu.shared.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let entry = |binding: u32, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let uniforms = (0..2).map(|binding| entry(binding, wgpu::BufferBindingType::Uniform));
        let buffers = (2..).zip(self.buffers).map(|(binding, access)| {
            let read_only = *access == Access::Read;
            entry(binding, wgpu::BufferBindingType::Storage { read_only })
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(self.name),
            entries: &uniforms.chain(buffers).collect::<Vec<_>>(),
        });
        let module = self.module(gpu);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(self.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(self.entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            let what = format!("rejects the kernel {} ({error}): choose the CPU", self.name);
            return Err(failed(&gpu.info().name, &what));
        }
        let compiled = Compiled { pipeline, layout };
        lock(&gpu.shared.pipelines).insert(*self, compiled.clone());
        Ok(compiled)
    }

    /// Compiles the text. Accesses are checked against the sizes of buffers; loops are not counted, since a counter costs instructions in the innermost loop of a product.
    fn module(&self, gpu: &Gpu) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Wgsl(self.text().into()),
        };
        let checks = wgpu::ShaderRuntimeChecks {
            bounds_checks: true,
            force_loop_bounding: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: the shaders are those of this crate, and each of their loops ends: it counts up to a bound that is a constant or a size.
        #[expect(unsafe_code, reason = "turns the count of loops off")]
        unsafe {
            gpu.shared
                .device
                .create_shader_module_trusted(descriptor, checks)
        }
    }
}
