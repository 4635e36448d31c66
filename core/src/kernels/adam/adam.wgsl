// Adam on rows of parameters (mod.rs has the formula), each value and moment read and written once.
//
// `plain`: encoder rows and biases. One thread: one value.
// `directions`: decoder rows; the gradient is first made orthogonal to the row, which is brought back to length 1 afterwards. Free rows take the gradient of
//   the folded dictionary instead: with n the row's length and u its direction, (g − (g·u)u)/n + through·u, and keep their length.
//   One workgroup: one row. One thread: the columns c ≡ thread (mod THREADS), PER at most, held in registers.
//   Order of dot products: each thread's columns ascending, then halves of the threads onto each other.
//
// Bindings: 2 gradient [_, columns], 3 value, 4 m, 5 v [_, columns], 6 facts [rows, 2] (length of the decoder row, through), 7 moved [_] u32.
// Limits: rows · columns below 2^32; `directions`: columns ≤ PER · THREADS.

struct Params {
    columns: u32,
    rows: u32,
    // Rows of the first feature in the gradients, in the parameters and in `moved`.
    gradient_row: u32,
    row: u32,
    moved_row: u32,
    // Whether rows that have not moved are left alone.
    lazy: u32,
    free: u32,
    // Factor on the gradient.
    factor: f32,
    step: f32,
    root: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    unused: u32,
    unused_too: u32,
    unused_as_well: u32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> value: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read> facts: array<f32>;
@group(0) @binding(7) var<storage, read> moved: array<u32>;

// Moves the moments at `place`; returns how far the value goes down.
fn adam(place: u32, g: f32) -> f32 {
    let first = params.beta1 * m[place] + (1.0 - params.beta1) * g;
    let second = params.beta2 * v[place] + (1.0 - params.beta2) * g * g;
    m[place] = first;
    v[place] = second;
    return params.step * first / (sqrt(second) * params.root + params.epsilon);
}

@compute @workgroup_size(THREADS)
fn plain(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    let at = group.x * THREADS + thread;
    if at >= params.rows * params.columns {
        return;
    }
    let i = at / params.columns;
    if params.lazy != 0u && moved[params.moved_row + i] == 0u {
        return;
    }
    var g = params.factor * gradient[params.gradient_row * params.columns + at];
    if params.free != 0u && facts[2u * i] > 0.0 {
        g *= facts[2u * i];
    }
    let place = params.row * params.columns + at;
    value[place] -= adam(place, g);
}

var<workgroup> parts: array<f32, THREADS>;

// Sum over the workgroup, the same for all its threads.
fn sum(thread: u32, part: f32) -> f32 {
    parts[thread] = part;
    workgroupBarrier();
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
        if thread < width {
            parts[thread] += parts[thread + width];
        }
        workgroupBarrier();
    }
    let total = parts[0];
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(THREADS)
fn directions(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + origin.x;
    if i >= params.rows {
        return;
    }
    if params.lazy != 0u && moved[params.moved_row + i] == 0u {
        return;
    }
    let source = (params.gradient_row + i) * params.columns;
    let into = (params.row + i) * params.columns;
    var g: array<f32, PER>;
    var w: array<f32, PER>;
    var part = 0.0;
    for (var at = 0u; at < PER; at++) {
        let column = at * THREADS + thread;
        if column < params.columns {
            g[at] = params.factor * gradient[source + column];
            w[at] = value[into + column];
            part += g[at] * w[at];
        }
    }
    let along = sum(thread, part);
    var length = 1.0;
    var through = 0.0;
    if params.free != 0u {
        length = facts[2u * i];
        through = params.factor * facts[2u * i + 1u];
    }
    part = 0.0;
    for (var at = 0u; at < PER; at++) {
        let column = at * THREADS + thread;
        if column < params.columns {
            var across = g[at];
            if params.free == 0u {
                across -= along * w[at];
            } else if length > 0.0 {
                let u = w[at] / length;
                across = (across - along / length * u) / length + through * u;
            }
            let new_value = w[at] - adam(into + column, across);
            w[at] = new_value;
            part += new_value * new_value;
        }
    }
    let squared = sum(thread, part);
    var scale = 1.0;
    if params.free == 0u && squared > 0.0 {
        scale = 1.0 / sqrt(squared);
    }
    for (var at = 0u; at < PER; at++) {
        let column = at * THREADS + thread;
        if column < params.columns {
            value[into + column] = scale * w[at];
        }
    }
}
