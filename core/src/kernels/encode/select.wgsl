// Keeps the best of each row's candidates, and writes those that are left in order. One workgroup of 64 threads = a row.
//
// candidates: `capacity` entries of `words` words for each row: key, feature and, where there are 3, the pre-activation.
// bars `[rows]`: key that a further entry must exceed. state: as `state.wgsl` says; the rows' numbers of entries begin at word 2 + rows.
struct Params {
    rows: u32,
    k: u32,         // ≤ 512
    capacity: u32,
    words: u32,
    dropped: u32,   // key of entries that are dropped after the choice; 0 drops none
    kind: u32,      // as `topk.wgsl` says; 3 where entries are ranked by score
    token: u32,     // number of the first row
    unused: u32,
}
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> candidates: array<u32>;
@group(0) @binding(3) var<storage, read_write> bars: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> sums: array<u32, 64>;
var<workgroup> chosen: vec3<u32>;
var<workgroup> kept: atomic<u32>;
var<workgroup> length: u32;

// An entry at a rank in descending order: its value, how many of those equal to it are among the first `rank`, how many there are.
struct Ranked {
    value: u32,
    taken: u32,
    equal: u32,
}

// Finds the value at `rank` (from 1) in descending order by eight bits at a time: of the keys, or with `by_feature` of the complements of the features of
// those whose key is `only`.
fn ranked(first: u32, len: u32, thread: u32, rank: u32, by_feature: bool, only: u32) -> Ranked {
    var found = Ranked(0u, rank, 0u);
    for (var digit = 0u; digit < 4u; digit++) {
        let shift = 24u - 8u * digit;
        for (var bin = thread; bin < 256u; bin += 64u) {
            atomicStore(&counts[bin], 0u);
        }
        workgroupBarrier();
        for (var i = thread; i < len; i += 64u) {
            let at = first + i * params.words;
            var value = candidates[at];
            var counted = true;
            if by_feature {
                counted = value == only;
                value = ~candidates[at + 1u];
            }
            // The digits before this one, which must be those already found.
            let before = (value ^ found.value) >> (shift + 7u) >> 1u;
            if counted && before == 0u {
                atomicAdd(&counts[(value >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        var own = 0u;
        for (var bin = 0u; bin < 4u; bin++) {
            own += atomicLoad(&counts[4u * thread + bin]);
        }
        sums[thread] = own;
        workgroupBarrier();
        var higher = 0u;
        for (var other = thread + 1u; other < 64u; other++) {
            higher += sums[other];
        }
        for (var bin = 4u; bin > 0u; bin--) {
            let here = atomicLoad(&counts[4u * thread + bin - 1u]);
            if higher < found.taken && found.taken <= higher + here {
                chosen = vec3<u32>(4u * thread + bin - 1u, higher, here);
            }
            higher += here;
        }
        let best = workgroupUniformLoad(&chosen);
        found = Ranked(found.value | (best.x << shift), found.taken - best.y, best.z);
    }
    return found;
}

// Keeps the `k` entries of greatest key of each row, the lower feature first among equals, and raises the row's bar to the least of them.
@compute @workgroup_size(64)
fn shrink(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x + origin.x;
    if thread == 0u {
        length = min(state[2u + params.rows + row], params.capacity);
        atomicStore(&kept, 0u);
    }
    let len = workgroupUniformLoad(&length);
    if len < params.k && params.dropped == 0u {
        return;
    }
    let first = row * params.capacity * params.words;
    var least = 0u;
    var last = 0xffffffffu;
    if len >= params.k {
        let cut = ranked(first, len, thread, params.k, false, 0u);
        least = cut.value;
        if cut.equal > cut.taken {
            last = ~ranked(first, len, thread, cut.taken, true, least).value;
        }
    }
    for (var start = 0u; start < len; start += 64u) {
        let i = start + thread;
        let at = first + i * params.words;
        var keeps = i < len;
        var key = 0u;
        var feature = 0u;
        var value = 0u;
        if keeps {
            key = candidates[at];
            feature = candidates[at + 1u];
            if params.words == 3u {
                value = candidates[at + 2u];
            }
            keeps = (key > least || (key == least && feature <= last)) && key != params.dropped;
        }
        // All of these are read before any of their places is written.
        storageBarrier();
        workgroupBarrier();
        if keeps {
            let place = first + atomicAdd(&kept, 1u) * params.words;
            candidates[place] = key;
            candidates[place + 1u] = feature;
            if params.words == 3u {
                candidates[place + 2u] = value;
            }
        }
    }
    workgroupBarrier();
    if thread == 0u {
        state[2u + params.rows + row] = atomicLoad(&kept);
        bars[row] = max(bars[row], least);
    }
}
