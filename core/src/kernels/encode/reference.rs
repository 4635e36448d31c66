//! The definition of each rule on a table of pre-activations: plain loops, f64, never optimised.

/// Kept entries of one row, ascending by feature.
pub(in crate::kernels) type Row = Vec<(u32, f64)>;

/// The `k` largest, lower feature first among equals, those ≤ 0 left out, ascending by feature.
pub(in crate::kernels) fn select(pre: &[f64], k: usize) -> Row {
    by_key(pre, k, |f| pre[f])
}

/// The `k` of largest magnitude.
pub(super) fn select_by_magnitude(pre: &[f64], k: usize) -> Row {
    by_key(pre, k, |f| pre[f].abs())
}

/// The `k` of largest score `pre · (1 + β|g|)`.
pub(super) fn select_by_score(pre: &[f64], along: &[f64], beta: f64, k: usize) -> Row {
    by_key(pre, k, |f| pre[f] * (1.0 + beta * along[f].abs()))
}

fn by_key(pre: &[f64], k: usize, key: impl Fn(usize) -> f64) -> Row {
    let mut order: Vec<usize> = (0..pre.len()).collect();
    order.sort_by(|a, b| key(*b).total_cmp(&key(*a)).then(a.cmp(b)));
    let mut kept: Row = order
        .into_iter()
        .take(k)
        .filter(|f| key(*f) > 0.0)
        .map(|f| (f as u32, pre[f]))
        .collect();
    kept.sort_by_key(|(feature, _)| *feature);
    kept
}

/// The `budget` largest positive entries of the table, lower token, then lower feature first among equals.
pub(super) fn select_budget(table: &[Vec<f64>], budget: usize) -> Vec<Row> {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for (token, row) in table.iter().enumerate() {
        all.extend((0..row.len()).map(|feature| (token, feature)));
    }
    let value = |at: &(usize, usize)| table[at.0][at.1];
    all.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
    all.truncate(budget);
    all.retain(|at| value(at) > 0.0);
    rows_of(table, all)
}

/// The `budgets[f]` largest positive entries of each column, lower token first among equals.
pub(super) fn select_by_feature(table: &[Vec<f64>], budgets: &[u32]) -> Vec<Row> {
    let mut all = Vec::new();
    for (feature, budget) in budgets.iter().enumerate() {
        let mut column: Vec<usize> = (0..table.len()).collect();
        let value = |token: usize| table[token][feature];
        column.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
        column.truncate(*budget as usize);
        column.retain(|token| value(*token) > 0.0);
        all.extend(column.into_iter().map(|token| (token, feature)));
    }
    rows_of(table, all)
}

/// Every entry above its feature's bar.
pub(super) fn select_above(table: &[Vec<f64>], bars: &[f64]) -> Vec<Row> {
    let mut all = Vec::new();
    for (token, row) in table.iter().enumerate() {
        let above = (0..row.len()).filter(|f| row[*f] > bars[*f]);
        all.extend(above.map(|feature| (token, feature)));
    }
    rows_of(table, all)
}

fn rows_of(table: &[Vec<f64>], mut kept: Vec<(usize, usize)>) -> Vec<Row> {
    kept.sort_unstable();
    let mut rows = vec![Row::new(); table.len()];
    for (token, feature) in kept {
        rows[token].push((feature as u32, table[token][feature]));
    }
    rows
}
