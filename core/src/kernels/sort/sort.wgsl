// One pass of a stable radix sort of u32 keys with a u32 payload, and what is done with sorted keys.
//
// `count_digits`: counts[digit · blocks + block] = keys of the block whose eight bits from `shift` on, as far as `mask` has them, are `digit`. One workgroup = one block of 1024 keys.
// `scatter`: writes each key and payload to starts[digit · blocks + block] + (keys of the block before it with this digit). One workgroup = one block, in
//   rounds of 256 keys; one thread = one key of a round, and one digit when counts advance. Threads mark their digit as bits in workgroup memory and count
//   the marks before their own, so keys keep their order. With `numbered`, the payload is the number of the key.
// `bounds`: bounds[v] = number of sorted keys below v, by bisection. One thread = one v.
// `gather`: gathered[i] = from[order[i]]. One thread = one i.
//
// keys, payload, their results, order: [len] u32; counts, starts: [256 · blocks] u32; found: [values + 1] u32. Workgroup memory: 9 KiB at most.

struct Params {
    len: u32,
    blocks: u32,
    shift: u32,
    numbered: u32,
    mask: u32,
}

@group(0) @binding(1) var<uniform> params: Params;

@group(0) @binding(2) var<storage, read> keys: array<u32>;

@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

@group(0) @binding(3) var<storage, read> payload: array<u32>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read_write> sorted_keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> sorted_payload: array<u32>;

@group(0) @binding(3) var<storage, read_write> found: array<u32>;

@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> source: array<u32>;
@group(0) @binding(4) var<storage, read_write> gathered: array<u32>;

var<workgroup> digits: array<atomic<u32>, WIDTH>;
var<workgroup> next: array<u32, WIDTH>;
// Bit t % 32 of marks[t / 32 · 256 + digit]: thread t holds this digit.
var<workgroup> marks: array<atomic<u32>, MARKS>;

fn digit_of(key: u32) -> u32 {
    return (key >> params.shift) & params.mask;
}

@compute @workgroup_size(WIDTH)
fn count_digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = group.x + origin.x;
    atomicStore(&digits[thread], 0u);
    workgroupBarrier();
    for (var round = 0u; round < ROUNDS; round++) {
        let i = (block * ROUNDS + round) * WIDTH + thread;
        if i < params.len {
            atomicAdd(&digits[digit_of(keys[i])], 1u);
        }
    }
    workgroupBarrier();
    counts[thread * params.blocks + block] = atomicLoad(&digits[thread]);
}

@compute @workgroup_size(WIDTH)
fn scatter(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = group.x + origin.x;
    let word = thread / 32u;
    let bit = 1u << (thread % 32u);
    next[thread] = starts[thread * params.blocks + block];
    for (var at = thread; at < MARKS; at += WIDTH) {
        atomicStore(&marks[at], 0u);
    }
    workgroupBarrier();
    for (var round = 0u; round < ROUNDS; round++) {
        let i = (block * ROUNDS + round) * WIDTH + thread;
        var key = 0u;
        if i < params.len {
            key = keys[i];
            atomicOr(&marks[word * WIDTH + digit_of(key)], bit);
        }
        workgroupBarrier();
        if i < params.len {
            let digit = digit_of(key);
            var place = next[digit] + countOneBits(atomicLoad(&marks[word * WIDTH + digit]) & (bit - 1u));
            for (var earlier = 0u; earlier < word; earlier++) {
                place += countOneBits(atomicLoad(&marks[earlier * WIDTH + digit]));
            }
            sorted_keys[place] = key;
            if params.numbered == 1u {
                sorted_payload[place] = i;
            } else {
                sorted_payload[place] = payload[i];
            }
        }
        workgroupBarrier();
        for (var at = thread; at < MARKS; at += WIDTH) {
            next[thread] += countOneBits(atomicLoad(&marks[at]));
            atomicStore(&marks[at], 0u);
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(WIDTH)
fn bounds(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let value = (group.x + origin.x) * WIDTH + thread;
    // `blocks` is the number of values here.
    if value > params.blocks {
        return;
    }
    var low = 0u;
    var high = params.len;
    while low < high {
        let middle = low + (high - low) / 2u;
        if keys[middle] < value {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    found[value] = low;
}

@compute @workgroup_size(WIDTH)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.x + origin.x) * WIDTH + thread;
    if i < params.len {
        gathered[i] = source[order[i]];
    }
}
