// Two pairs of operands of any d read value by value, chosen by `which`. Beyond the true sizes they read as 0.
@group(0) @binding(2) var<storage, read> left: array<f32>;
@group(0) @binding(3) var<storage, read> right: array<f32>;
@group(0) @binding(8) var<storage, read> left_two: array<f32>;
@group(0) @binding(9) var<storage, read> right_two: array<f32>;

fn left4(which: u32, row: u32, k: u32) -> vec4<f32> {
    var values = vec4<f32>();
    if row < params.rows {
        let at = (params.left_first + row) * params.d;
        for (var j = 0u; j < 4u && k + j < params.d; j++) {
            if which == 1u {
                values[j] = left_two[at + k + j];
            } else {
                values[j] = left[at + k + j];
            }
        }
    }
    return values;
}

fn right4(which: u32, column: u32, k: u32) -> vec4<f32> {
    var values = vec4<f32>();
    if column < params.columns {
        let at = (params.right_first + column) * params.d;
        for (var j = 0u; j < 4u && k + j < params.d; j++) {
            if which == 1u {
                values[j] = right_two[at + k + j];
            } else {
                values[j] = right[at + k + j];
            }
        }
    }
    return values;
}

