// Some rows of a table (mod.rs has the formula). Values are copied as bits.
//
// One thread: one value. A run covers the entries of the list that lie in one block of the table and one block of the result.
//
// Bindings: 2 list [_], 3 table [rows of the block, columns], 4 out [count, columns].
// Limits: count · columns below 2^32.

struct Params {
    columns: u32,
    // Entries of the list in this run, and the first.
    count: u32,
    first: u32,
    // Rows of the block of the table.
    begin: u32,
    end: u32,
    unused: u32,
    unused_too: u32,
    unused_as_well: u32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    let column = group.x * THREADS + thread;
    if group.y >= params.count || column >= params.columns {
        return;
    }
    let row = list[params.first + group.y];
    if row >= params.begin && row < params.end {
        out[group.y * params.columns + column] = table[(row - params.begin) * params.columns + column];
    }
}
