// Two pairs of operands read four values at a time, chosen by `which`; d is a multiple of 4. Beyond the true sizes they read as 0.
@group(0) @binding(2) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> right: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> left_two: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> right_two: array<vec4<f32>>;

fn left4(which: u32, row: u32, k: u32) -> vec4<f32> {
    if row >= params.rows || k >= params.d {
        return vec4<f32>();
    }
    let at = ((params.left_first + row) * params.d + k) / 4u;
    if which == 1u {
        return left_two[at];
    }
    return left[at];
}

fn right4(which: u32, column: u32, k: u32) -> vec4<f32> {
    if column >= params.columns || k >= params.d {
        return vec4<f32>();
    }
    let at = ((params.right_first + column) * params.d + k) / 4u;
    if which == 1u {
        return right_two[at];
    }
    return right[at];
}

