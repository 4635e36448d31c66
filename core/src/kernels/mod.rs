//! The list of operations; each folder holds its definition (`reference.rs`), its CPU form (`cpu.rs`) and its cases (`cases.rs`).
//!
//! Work is split into fixed chunks of rows or features that rayon's threads take in any order, and every sum runs in one order within its chunk:
//! the number of threads changes the time, never a byte of the result.

pub mod adam;
pub(crate) mod add;
pub(crate) mod attention;
pub(crate) mod centre;
pub(crate) mod charges;
#[cfg(feature = "gpu")]
pub(crate) mod codes;
pub(crate) mod copy;
pub(crate) mod count;
pub mod encode;
mod exponential;
#[cfg(feature = "gpu")]
pub(crate) mod finite;
#[cfg(feature = "gpu")]
pub(crate) mod gather;
pub(crate) mod linear;
pub(crate) mod logarithm;
pub(crate) mod normalize;
#[cfg(feature = "gpu")]
pub(crate) mod pending;
pub mod pre_activations;
#[cfg(feature = "gpu")]
pub(crate) mod product;
pub mod residual;
pub(crate) mod rotary;
#[cfg(feature = "gpu")]
pub(crate) mod scatter;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod shaders;
pub(crate) mod sigmoid_gate;
#[cfg(feature = "gpu")]
pub(crate) mod sort;
pub mod sparse_decode;
pub(crate) mod sums;
#[cfg(feature = "gpu")]
pub(crate) mod through;

#[cfg(test)]
pub(crate) mod conformance;

use rayon::prelude::*;

/// Whether this thread belongs to rayon's pool. Then a caller has already split the work, and an operation stays on its thread.
pub(crate) fn in_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Calls `work` with each chunk of `len` values and its number: in order within rayon's pool, on all its threads elsewhere.
fn each_chunk(values: &mut [f32], len: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let len = len.max(1);
    if in_pool() || values.len() <= len {
        for (i, chunk) in values.chunks_mut(len).enumerate() {
            work(i, chunk);
        }
    } else {
        values
            .par_chunks_mut(len)
            .enumerate()
            .for_each(|(i, chunk)| work(i, chunk));
    }
}

/// Whether this machine has the instructions of the kernels written in AVX-512's intrinsics.
#[cfg(target_arch = "x86_64")]
fn avx512_present() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma")
}

/// Whether this machine has the instructions of the kernels written in AVX2's intrinsics.
#[cfg(target_arch = "x86_64")]
fn avx2_present() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Compiles one body three times, for AVX-512, AVX2 with FMA, and whatever the target guarantees, and calls the widest that this machine has.
///
/// The body is written `fn name(args) -> ret = body_function;` where `body_function::<FMA>` is `#[inline(always)]`; `FMA` says whether
/// `f32::mul_add` is one instruction.
macro_rules! for_this_cpu {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident;) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<true>($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the features that `avx512` is compiled for were found on this machine.
                    #[expect(unsafe_code, reason = "calls a function compiled for features found at run time")]
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features that `avx2` is compiled for were found on this machine.
                    #[expect(unsafe_code, reason = "calls a function compiled for features found at run time")]
                    return unsafe { avx2($($arg),*) };
                }
            }
            $body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use for_this_cpu;

/// `a · b + c`, as one instruction where `FMA` says there is one (elsewhere `f32::mul_add` would call a slow library function).
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
pub(crate) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Returns the values of a contiguous f32 tensor, for operations that candle calls with storage and layout.
fn contiguous<'a>(
    op: &'static str,
    storage: &'a candle_core::CpuStorage,
    layout: &candle_core::Layout,
) -> candle_core::Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => Err(candle_core::Error::RequiresContiguous { op }.bt()),
    }
}

/// Compares the gradient of Σ wᵢ·op(x)ᵢ (fixed uneven weights) with central differences, entry by entry.
#[cfg(test)]
fn check_gradient(
    x: &candle_core::Var,
    op: &dyn Fn(&candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
) {
    use candle_core::{Device, Tensor};

    let weighted = |y: &Tensor| {
        let weights: Vec<f32> = (0..y.elem_count())
            .map(|i| (i * 13 % 7) as f32 - 2.5)
            .collect();
        (y.flatten_all().unwrap() * Tensor::new(weights, &Device::Cpu).unwrap()).unwrap()
    };
    let total = |x: &Tensor| -> f64 {
        let y = weighted(&op(x).unwrap()).to_vec1::<f32>().unwrap();
        y.iter().map(|v| f64::from(*v)).sum()
    };
    let loss = weighted(&op(x.as_tensor()).unwrap()).sum_all().unwrap();
    let grads = loss.backward().unwrap();
    let grad = grads.get(x.as_tensor()).expect("the gradient is there");
    let grad = grad.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let step = 1e-2_f32;
    for i in 0..values.len() {
        let at = |by: f32| {
            let mut moved = values.clone();
            moved[i] += by;
            total(&Tensor::from_vec(moved, x.dims(), &Device::Cpu).unwrap())
        };
        let five = 8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step));
        let slope = five / (12.0 * f64::from(step));
        let off = (f64::from(grad[i]) - slope).abs();
        assert!(off < 3e-3 * (1.0 + slope.abs()), "{i}: {} {slope}", grad[i]);
    }
}
