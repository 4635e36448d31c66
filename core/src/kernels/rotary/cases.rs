//! Inputs: whole heads, heads that turn in part, views into a fused projection, more positions than a chunk.

use candle_core::{Device, Tensor};

use super::Rotate;

/// One input.
pub(super) struct Case {
    pub(super) x: Tensor,
    pub(super) op: Rotate,
}

fn case(x: Tensor, pairs: usize) -> Case {
    let t = x.dim(1).unwrap();
    angles(x, t, pairs)
}

/// Other angles in each row.
fn by_row(x: Tensor, pairs: usize) -> Case {
    let positions = x.dim(0).unwrap() * x.dim(1).unwrap();
    angles(x, positions, pairs)
}

fn angles(x: Tensor, positions: usize, pairs: usize) -> Case {
    let angle = |i: usize| (i * 31 % 100) as f32 / 10.0;
    let op = Rotate {
        cos: (0..positions * pairs).map(|i| angle(i).cos()).collect(),
        sin: (0..positions * pairs).map(|i| angle(i).sin()).collect(),
        pairs,
    };
    Case { x, op }
}

fn numbers(dims: (usize, usize, usize, usize)) -> Tensor {
    let n = dims.0 * dims.1 * dims.2 * dims.3;
    let values: Vec<f32> = (0..n)
        .map(|i| (i * 37 % 199) as f32 / 100.0 - 1.0)
        .collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// All of them; the largest last.
pub(super) fn all() -> Vec<Case> {
    let fused = numbers((2, 3, 8, 4));
    vec![
        case(numbers((1, 2, 2, 4)), 2),
        case(numbers((2, 3, 1, 5)), 1),
        by_row(numbers((3, 2, 2, 5)), 2),
        case(fused.narrow(2, 2, 3).unwrap(), 2),
        case(numbers((2, 70, 3, 64)), 32),
    ]
}
