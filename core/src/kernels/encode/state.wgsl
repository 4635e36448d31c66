// Biases and the record of a selection, in words: the number of entries found; the lowest row with an entry that is not finite; for each row its lowest
// feature whose entry is not finite; for each row the number of its entries. What is not there is 0xffffffff.
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> state: array<atomic<u32>>;

const MINUS_INFINITY: u32 = 0xff800000u;

// Whether the bits of a value are those of NaN or an infinity. Tests of integers: drivers may assume that no float is one.
fn not_finite(bits: u32) -> bool {
    return (bits & 0x7f800000u) == 0x7f800000u;
}

fn note_not_finite(row: u32, column: u32) {
    atomicMin(&state[1], params.token + row);
    atomicMin(&state[2u + params.token + row], params.feature + column);
}

// Biases of four columns from `column` on.
fn biases(column: u32) -> vec4<f32> {
    var four = vec4<f32>();
    for (var j = 0u; j < 4u && column + j < params.columns; j++) {
        four[j] = bias[params.feature + column + j];
    }
    return four;
}

// Integers in the order of the floats, from their bits; −0 equals 0, as the least bit patterns do on devices that count them as 0.
fn ordered(bits: u32) -> u32 {
    if (bits & 0x7fffffffu) == 0u {
        return 0x80000000u;
    }
    if (bits >> 31u) == 1u {
        return ~bits;
    }
    return bits | 0x80000000u;
}

