// Counts the entries of each feature whose activation is not 0, and all of them.
//
// One thread = one entry. A workgroup adds up its own entries before it adds them to all.
//
// Bindings: features [nnz], acts [nnz] as bits, counts [f], active [1]. Limits: below 2^32 entries.

// x: entries, y: features.
@group(0) @binding(1) var<uniform> params: vec4<u32>;
@group(0) @binding(2) var<storage, read> features: array<u32>;
@group(0) @binding(3) var<storage, read> acts: array<u32>;
@group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> active_entries: array<atomic<u32>>;

var<workgroup> here: atomic<u32>;

@compute @workgroup_size(WIDTH)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let entry = (group.x + origin.x) * WIDTH + thread;
    if thread == 0u {
        atomicStore(&here, 0u);
    }
    workgroupBarrier();
    if entry < params.x && (acts[entry] & 0x7fffffffu) != 0u {
        let feature = features[entry];
        if feature < params.y {
            atomicAdd(&counts[feature], 1u);
            atomicAdd(&here, 1u);
        }
    }
    workgroupBarrier();
    if thread == 0u {
        atomicAdd(&active_entries[0], atomicLoad(&here));
    }
}
