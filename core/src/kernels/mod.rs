//! The list of operations; each folder holds its definition (`reference.rs`), its CPU form (`cpu.rs`) and its cases (`cases.rs`).
//!
//! Work is split into fixed chunks of rows or features that rayon's threads take in any order, and every sum runs in one order within its chunk:
//! the number of threads changes the time, never a byte of the result.

pub mod adam;
pub mod causal_softmax;
pub mod encode_topk;
mod exponential;
pub mod gelu;
pub mod normalize;
pub mod pre_activations;
pub mod residual;
pub mod sparse_decode;

#[cfg(test)]
mod conformance;

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

/// The values of a contiguous f32 tensor, for operations that candle calls with storage and layout.
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
