//! Inputs: documents apart, grouped heads, a cache before the queries, soft caps, windows, one query, large scores, views into a fused projection, more rows than a
//! block.

use candle_core::{Device, Tensor};

use super::{Rule, Starts};

/// One input.
pub(super) struct Case {
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    pub(super) rule: Rule,
    pub(super) starts: Starts,
}

fn numbers(dims: (usize, usize, usize, usize), step: usize) -> Tensor {
    let n = dims.0 * dims.1 * dims.2 * dims.3;
    let values: Vec<f32> = (0..n)
        .map(|i| (i * step % 199) as f32 / 100.0 - 1.0)
        .collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn case(b: usize, (t, s): (usize, usize), (h, h_kv): (usize, usize), e: usize) -> Case {
    Case {
        q: numbers((b, t, h, e), 37),
        k: numbers((b, s, h_kv, e), 53),
        v: numbers((b, s, h_kv, e), 71),
        rule: Rule {
            scale: 1.0 / (e as f64).sqrt(),
            cap: None,
            window: None,
        },
        starts: None,
    }
}

/// Documents that begin at these positions of each row.
fn apart(mut case: Case, begin: &[&[u32]]) -> Case {
    let t = case.q.dim(1).unwrap() as u32;
    let start = |begin: &&[u32], at: u32| begin.iter().copied().filter(|b| *b <= at).max();
    let rows = begin
        .iter()
        .map(|row| (0..t).map(|at| start(row, at).unwrap_or(0)).collect());
    let rows: Vec<Vec<u32>> = rows.collect();
    case.starts = Some(rows.concat().into());
    case
}

fn ruled(mut case: Case, cap: Option<f64>, window: Option<usize>) -> Case {
    case.rule.cap = cap;
    case.rule.window = window;
    case
}

/// All of them; the largest last.
pub(super) fn all() -> Vec<Case> {
    let fused = numbers((2, 6, 8, 4), 29);
    let views = Case {
        q: fused.narrow(2, 0, 4).unwrap(),
        k: fused.narrow(2, 4, 2).unwrap(),
        v: fused.narrow(2, 6, 2).unwrap(),
        rule: Rule {
            scale: 0.5,
            cap: None,
            window: None,
        },
        starts: None,
    };
    let mut sharp = case(1, (9, 9), (2, 1), 4);
    sharp.rule.scale = 60.0;
    vec![
        case(2, (3, 3), (2, 2), 3),
        apart(case(2, (4, 4), (2, 1), 3), &[&[2, 3], &[]]),
        case(1, (2, 5), (4, 2), 3),
        ruled(case(1, (4, 4), (2, 1), 3), Some(0.4), None),
        ruled(case(1, (3, 5), (2, 1), 3), Some(1.5), Some(2)),
        ruled(case(1, (150, 170), (2, 1), 8), None, Some(7)),
        ruled(case(1, (9, 9), (1, 1), 4), None, Some(100)),
        case(1, (1, 1), (1, 1), 1),
        case(1, (1, 40), (3, 3), 8),
        views,
        apart(
            ruled(case(2, (150, 150), (2, 1), 8), Some(2.0), Some(30)),
            &[&[1, 64, 70, 140], &[149]],
        ),
        apart(case(2, (150, 150), (2, 1), 8), &[&[100], &[3, 5]]),
        sharp,
        case(2, (150, 150), (4, 2), 8),
    ]
}
