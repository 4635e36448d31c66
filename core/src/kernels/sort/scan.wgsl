// Exclusive sums of u32, modulo 2^32, in blocks of 2048 values.
//
// One workgroup = one block, one thread = 8 values that follow one another.
//
// `sum_blocks`: sums[block] = Σ of the block's values.
// `scan_blocks`: values[i] = bases[block] + Σ of the block's values before i.
//
// values [len], sums and bases [ceil(len / 2048)]: u32. Workgroup memory 1 KiB. Integers: the order of additions does not show.

struct Params {
    len: u32,
}

@group(0) @binding(1) var<uniform> params: Params;

@group(0) @binding(2) var<storage, read> summed: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<u32>;

@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read> bases: array<u32>;

var<workgroup> of_threads: array<u32, WIDTH>;

// Turns of_threads into inclusive sums; the caller wrote its own entry.
fn add_up(thread: u32) {
    for (var step = 1u; step < WIDTH; step <<= 1u) {
        workgroupBarrier();
        var before = 0u;
        if thread >= step {
            before = of_threads[thread - step];
        }
        workgroupBarrier();
        of_threads[thread] += before;
    }
    workgroupBarrier();
}

@compute @workgroup_size(WIDTH)
fn sum_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = group.x + origin.x;
    let first = (block * WIDTH + thread) * EACH;
    var sum = 0u;
    for (var i = first; i < min(first + EACH, params.len); i++) {
        sum += summed[i];
    }
    of_threads[thread] = sum;
    for (var half = WIDTH / 2u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if thread < half {
            of_threads[thread] += of_threads[thread + half];
        }
    }
    if thread == 0u {
        sums[block] = of_threads[0];
    }
}

@compute @workgroup_size(WIDTH)
fn scan_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = group.x + origin.x;
    let first = (block * WIDTH + thread) * EACH;
    var sum = 0u;
    for (var i = first; i < min(first + EACH, params.len); i++) {
        sum += values[i];
    }
    of_threads[thread] = sum;
    add_up(thread);
    var next = bases[block] + of_threads[thread] - sum;
    for (var i = first; i < min(first + EACH, params.len); i++) {
        let value = values[i];
        values[i] = next;
        next += value;
    }
}
