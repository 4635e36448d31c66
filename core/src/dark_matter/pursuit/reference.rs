//! Definition of both rules in plain loops and f64: every product of every step with the whole dictionary.

use super::Method;
use crate::dims::Matrix;

/// Code `[f]` of `signal [d]` after `steps` steps with the rows of `directions`.
pub(super) fn pursue(
    directions: &Matrix,
    signal: &[f32],
    (method, steps): (Method, usize),
) -> Vec<f64> {
    let d: Vec<Vec<f64>> = directions
        .iter_rows()
        .map(|row| row.iter().map(|v| f64::from(*v)).collect())
        .collect();
    let x: Vec<f64> = signal.iter().map(|v| f64::from(*v)).collect();
    match method {
        Method::Gradient => gradient(&d, &x, steps),
        Method::Orthogonal => orthogonal(&d, &x, steps),
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Signal less what the code writes.
pub(super) fn rest(d: &[Vec<f64>], x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut rest = x.to_vec();
    for (direction, w) in d.iter().zip(w) {
        for (rest, v) in rest.iter_mut().zip(direction) {
            *rest -= w * v;
        }
    }
    rest
}

/// Index of the largest value among those allowed, the lowest of equals.
fn largest(values: &[f64], allowed: impl Fn(usize) -> bool) -> Option<usize> {
    let mut best = None;
    for (i, value) in values.iter().enumerate() {
        if allowed(i) && best.is_none_or(|best: usize| *value > values[best]) {
            best = Some(i);
        }
    }
    best
}

fn gradient(d: &[Vec<f64>], x: &[f64], steps: usize) -> Vec<f64> {
    let mut w = vec![0.0; d.len()];
    for _ in 0..steps {
        let r = rest(d, x, &w);
        let products: Vec<f64> = d.iter().map(|direction| dot(direction, &r)).collect();
        let Some(index) = largest(&products, |_| true) else {
            break;
        };
        let selected = |i: usize| w[i] != 0.0 || i == index;
        let g: Vec<f64> = (0..d.len())
            .map(|i| if selected(i) { products[i] } else { 0.0 })
            .collect();
        let minus: Vec<f64> = g.iter().map(|g| -g).collect();
        let c = rest(d, &vec![0.0; x.len()], &minus);
        let step = dot(&c, &r) / dot(&c, &c);
        if !step.is_finite() {
            break;
        }
        for (w, g) in w.iter_mut().zip(&g) {
            *w = (*w + step * g).max(0.0);
        }
    }
    w
}

fn orthogonal(d: &[Vec<f64>], x: &[f64], steps: usize) -> Vec<f64> {
    let mut w = vec![0.0; d.len()];
    let mut set: Vec<usize> = Vec::new();
    for _ in 0..steps {
        let r = rest(d, x, &w);
        let products: Vec<f64> = d.iter().map(|direction| dot(direction, &r)).collect();
        let index = largest(&products, |i| !set.contains(&i));
        let Some(index) = index.filter(|i| products[*i] > 1e-12 * dot(x, x).sqrt()) else {
            break;
        };
        set.push(index);
        w = least_squares(d, x, &set);
    }
    w
}

/// Non-negative least squares on `set` by coordinate descent to convergence: slow, and nothing like the active sets it is compared with.
fn least_squares(d: &[Vec<f64>], x: &[f64], set: &[usize]) -> Vec<f64> {
    let mut w = vec![0.0; d.len()];
    let mut r = x.to_vec();
    for _ in 0..200_000 {
        let mut moved = 0.0_f64;
        for i in set {
            let own = dot(&d[*i], &d[*i]);
            let to = (w[*i] + dot(&d[*i], &r) / own).max(0.0);
            let change = to - w[*i];
            for (r, v) in r.iter_mut().zip(&d[*i]) {
                *r -= change * v;
            }
            w[*i] = to;
            moved = moved.max(change.abs());
        }
        if moved < 1e-14 {
            break;
        }
    }
    w
}
