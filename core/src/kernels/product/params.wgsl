// What every kernel over tiles of a product is told. Rows of `left` become rows of the product, rows of `right` its columns.
struct Params {
    rows: u32,          // rows of this run
    columns: u32,       // columns of this run
    d: u32,             // length of the rows multiplied
    left_first: u32,    // first row of the run in the buffer `left`
    right_first: u32,   // first row of the run in the buffer `right`
    feature: u32,       // number of the run's first column among all
    token: u32,         // number of the run's first row among all that its results are kept for
    total: u32,         // rows that results are kept for
    stride: u32,        // entries between rows of results, or their capacity
    words: u32,         // words of an entry
    kind: u32,          // as the kernel says
    beta: f32,
}
@group(0) @binding(1) var<uniform> params: Params;

// Adds the outer product of four rows' values and four columns' values; `sums[i]` belongs to row i.
fn outer(rows: vec4<f32>, columns: vec4<f32>, sums: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4<f32>(rows.x), columns, sums[0]),
        fma(vec4<f32>(rows.y), columns, sums[1]),
        fma(vec4<f32>(rows.z), columns, sums[2]),
        fma(vec4<f32>(rows.w), columns, sums[3]),
    );
}

