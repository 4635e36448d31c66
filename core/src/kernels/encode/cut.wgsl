// Keeps the greatest entries of a list: of the whole list, or of each feature of a chunk (BY_FEATURE). Greater value first, then lower token, then lower
// feature; entries are told apart by a key of three words, value, last_token − token, last_feature − feature, and the cut is found by eight bits at a time.
//
// `count_digits`: digits[segment · 256 + digit] += entries of the segment that agree with its cut so far, by their digit. One workgroup = 2048 entries.
// `pick`: finds the digit in which the last wanted entry lies, fixes it in the segment's cut, and clears the counts. One workgroup = one segment, one
//   thread = one digit. The first pass of a search begins the cut; a cut is settled when all entries that agree with it are wanted.
// `keep`: appends the entries that reach their cut to `kept`, in any order. One workgroup = 2048 entries.
//
// found: word 0 is the length of the list. tokens, features, values: [capacity]; values are positive floats, which are ordered as their bits.
// cuts: [segments]; digits: [256 · segments]; wanted, least, counts: [1], or [f] with BY_FEATURE. bar: [1], raised to the part of the cut that is known.
// kept: length, then `room` tokens, `room` features and `room` values. Workgroup memory: 1 KiB. Integers alone: the order of work does not show.

struct Params {
    part: u32,         // word of the key that holds this pass's digit
    shift: u32,        // lowest bit of the digit
    first: u32,        // 1 in the first pass of a search
    feature: u32,      // first feature of the chunk, with BY_FEATURE
    last_token: u32,
    last_feature: u32,
    room: u32,
}

struct Cut {
    settled: u32,
    left: u32,         // wanted among the entries that agree
    key: array<u32, 3>,
}

@group(0) @binding(1) var<uniform> params: Params;

@group(0) @binding(2) var<storage, read> found: array<u32>;
@group(0) @binding(3) var<storage, read> tokens: array<u32>;
@group(0) @binding(4) var<storage, read> features: array<u32>;
@group(0) @binding(5) var<storage, read> values: array<u32>;
@group(0) @binding(6) var<storage, read> cuts: array<Cut>;
@group(0) @binding(7) var<storage, read_write> digits: array<atomic<u32>>;

@group(0) @binding(2) var<storage, read> wanted: array<u32>;
@group(0) @binding(3) var<storage, read_write> picked: array<Cut>;
@group(0) @binding(4) var<storage, read_write> counted: array<u32>;
@group(0) @binding(5) var<storage, read_write> bar: array<u32>;
@group(0) @binding(6) var<storage, read_write> no_least: array<u32>;
@group(0) @binding(7) var<storage, read_write> no_counts: array<u32>;

@group(0) @binding(7) var<storage, read_write> kept: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> least: array<atomic<u32>>;
@group(0) @binding(9) var<storage, read_write> counts: array<atomic<u32>>;

const INFINITE: u32 = 0x7f800000u;

var<workgroup> own: array<atomic<u32>, WIDTH>;
var<workgroup> sums: array<u32, WIDTH>;
var<workgroup> stay: atomic<u32>;
var<workgroup> lowest: atomic<u32>;
var<workgroup> base: u32;

// A word of the entry's key; words that are not asked for are not read.
fn word_of(i: u32, part: u32) -> u32 {
    if part == 0u {
        return values[i];
    }
    if part == 1u {
        return params.last_token - tokens[i];
    }
    return params.last_feature - features[i];
}

fn segment_of(i: u32) -> u32 {
    if BY_FEATURE == 1u {
        return features[i] - params.feature;
    }
    return 0u;
}

// Whether all digits before this pass's, of which `word` holds the last, are those of the cut.
fn agrees(i: u32, word: u32, segment: u32) -> bool {
    if params.first == 1u {
        return true;
    }
    for (var part = 0u; part < params.part; part++) {
        if word_of(i, part) != cuts[segment].key[part] {
            return false;
        }
    }
    return (word ^ cuts[segment].key[params.part]) >> (params.shift + 7u) >> 1u == 0u;
}

fn reaches(i: u32, segment: u32) -> bool {
    for (var part = 0u; part < 3u; part++) {
        let word = word_of(i, part);
        let least_word = cuts[segment].key[part];
        if word != least_word {
            return word > least_word;
        }
    }
    return true;
}

@compute @workgroup_size(WIDTH)
fn count_digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let len = min(found[0], arrayLength(&values));
    atomicStore(&own[thread], 0u);
    workgroupBarrier();
    for (var part = 0u; part < EACH; part++) {
        let i = ((group.x + origin.x) * EACH + part) * WIDTH + thread;
        if i < len {
            let segment = segment_of(i);
            if params.first == 1u || cuts[segment].settled == 0u {
                let word = word_of(i, params.part);
                let digit = (word >> params.shift) & 255u;
                if agrees(i, word, segment) {
                    if BY_FEATURE == 1u {
                        atomicAdd(&digits[segment * WIDTH + digit], 1u);
                    } else {
                        atomicAdd(&own[digit], 1u);
                    }
                }
            }
        }
    }
    workgroupBarrier();
    let mine = atomicLoad(&own[thread]);
    if mine > 0u {
        atomicAdd(&digits[thread], mine);
    }
}

@compute @workgroup_size(WIDTH)
fn pick(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let segment = group.x + origin.x;
    let digit = WIDTH - 1u - thread;
    let held = counted[segment * WIDTH + digit];
    counted[segment * WIDTH + digit] = 0u;
    var cut = picked[segment];
    if params.first == 1u {
        cut = Cut(0u, wanted[params.feature + segment], array<u32, 3>(0u, 0u, 0u));
        if thread == 0u {
            no_least[params.feature + segment] = INFINITE;
            no_counts[params.feature + segment] = 0u;
        }
    }
    // sums[thread]: entries whose digit is at least this thread's. The barriers also part all reads of the cut from its change.
    sums[thread] = held;
    for (var step = 1u; step < WIDTH; step <<= 1u) {
        workgroupBarrier();
        var before = 0u;
        if thread >= step {
            before = sums[thread - step];
        }
        workgroupBarrier();
        sums[thread] += before;
    }
    workgroupBarrier();
    storageBarrier();
    let greater = sums[thread] - held;
    if cut.settled == 0u && greater < cut.left && cut.left <= sums[thread] {
        cut.left -= greater;
        cut.settled = select(0u, 1u, cut.left == held);
        cut.key[params.part] |= digit << params.shift;
        picked[segment] = cut;
        if BY_FEATURE == 0u {
            bar[0] = max(bar[0], cut.key[0]);
        }
    }
    // Fewer than wanted, all are kept; none wanted, none is.
    if params.first == 1u && thread == 0u && (cut.left == 0u || sums[WIDTH - 1u] < cut.left) {
        let none = select(0u, 0xffffffffu, cut.left == 0u);
        picked[segment] = Cut(1u, 0u, array<u32, 3>(none, 0u, 0u));
    }
}

@compute @workgroup_size(WIDTH)
fn keep(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let len = min(found[0], arrayLength(&values));
    if thread == 0u {
        atomicStore(&stay, 0u);
        atomicStore(&lowest, INFINITE);
    }
    workgroupBarrier();
    var keeps = 0u;
    for (var part = 0u; part < EACH; part++) {
        let i = ((group.x + origin.x) * EACH + part) * WIDTH + thread;
        if i < len {
            let segment = segment_of(i);
            if reaches(i, segment) {
                keeps |= 1u << part;
                if BY_FEATURE == 1u {
                    atomicMin(&least[features[i]], values[i]);
                    atomicAdd(&counts[features[i]], 1u);
                } else {
                    atomicMin(&lowest, values[i]);
                }
            }
        }
    }
    var slot = atomicAdd(&stay, countOneBits(keeps));
    workgroupBarrier();
    if thread == 0u {
        let all = atomicLoad(&stay);
        base = atomicAdd(&kept[0], all);
        if BY_FEATURE == 0u && all > 0u {
            atomicMin(&least[0], atomicLoad(&lowest));
            atomicAdd(&counts[0], all);
        }
    }
    workgroupBarrier();
    slot += base;
    for (var part = 0u; part < EACH; part++) {
        let i = ((group.x + origin.x) * EACH + part) * WIDTH + thread;
        if ((keeps >> part) & 1u) == 1u && slot < params.room {
            atomicStore(&kept[1u + slot], tokens[i]);
            atomicStore(&kept[1u + params.room + slot], features[i]);
            atomicStore(&kept[1u + 2u * params.room + slot], values[i]);
            slot++;
        }
    }
}
