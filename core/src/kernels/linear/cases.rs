//! Inputs: tiny, one row by every layout of the weight, a transposed weight, without bias, an offset view, large.

use candle_core::{Device, Tensor};

use super::Linear;

/// One input.
pub(super) struct Case {
    pub(super) x: Tensor,
    pub(super) op: Linear,
}

fn numbers(rows: usize, columns: usize) -> Tensor {
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| (i * 53 % 211) as f32 / 100.0 - 1.0)
        .collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
}

fn case(n: usize, weight: Tensor, biased: bool) -> Case {
    let (inputs, outputs) = weight.dims2().unwrap();
    let bias = biased.then(|| (0..outputs).map(|j| j as f32 / 10.0 - 0.3).collect());
    Case {
        x: numbers(n, inputs),
        op: Linear { weight, bias },
    }
}

/// All of them; the largest last.
pub(super) fn all() -> Vec<Case> {
    vec![
        case(2, numbers(3, 4), true),
        case(1, numbers(33, 65), true),
        case(1, numbers(200, 300), false),
        case(1, numbers(333, 130).t().unwrap(), true),
        case(70, numbers(19, 40).t().unwrap(), false),
        case(5, numbers(9, 16).narrow(0, 2, 5).unwrap(), true),
        case(300, numbers(130, 256).t().unwrap(), true),
    ]
}
