//! SIMD by autovectorisation, sums in 16 lanes.

use super::Normalize;
use crate::kernels::for_this_cpu;

const LANES: usize = 16;

/// One row.
pub(super) fn normalize(y: &mut [f32], x: &[f32], op: &Normalize) {
    let d = x.len() as f32;
    let mean = if op.centred { sum(x) / d } else { 0.0 };
    let variance = squares(x, mean) / d;
    let factor = 1.0 / (variance + op.eps as f32).sqrt();
    shift_and_scale(y, x, mean, factor);
    if let Some(weight) = &op.weight {
        multiply(y, weight);
    }
    if let Some(bias) = &op.bias {
        add(y, bias);
    }
}

for_this_cpu! {
    fn sum(x: &[f32]) -> f32 = sum_body;
}
for_this_cpu! {
    fn squares(x: &[f32], mean: f32) -> f32 = squares_body;
}
for_this_cpu! {
    fn shift_and_scale(y: &mut [f32], x: &[f32], mean: f32, factor: f32) = shift_and_scale_body;
}
for_this_cpu! {
    fn multiply(y: &mut [f32], weight: &[f32]) = multiply_body;
}
for_this_cpu! {
    fn add(y: &mut [f32], bias: &[f32]) = add_body;
}

macro_rules! inlined {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block)*) => {
        $(
            #[inline(always)]
            fn $name<const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body
        )*
    };
}

inlined! {
    fn sum_body(x: &[f32]) -> f32 {
        let mut lanes = [0.0; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for chunk in whole {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane += v;
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }

    fn squares_body(x: &[f32], mean: f32) -> f32 {
        let mut lanes = [0.0; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for chunk in whole {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane += (v - mean) * (v - mean);
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>()
    }

    fn shift_and_scale_body(y: &mut [f32], x: &[f32], mean: f32, factor: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = (x - mean) * factor;
        }
    }

    fn multiply_body(y: &mut [f32], weight: &[f32]) {
        for (y, weight) in y.iter_mut().zip(weight) {
            *y *= weight;
        }
    }

    fn add_body(y: &mut [f32], bias: &[f32]) {
        for (y, bias) in y.iter_mut().zip(bias) {
            *y += bias;
        }
    }
}
