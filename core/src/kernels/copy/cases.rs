//! Inputs: nothing, one word, lengths around a vector and a workgroup, more than a chunk; −0, infinities, NaNs of every kind and denormals among them.

/// All of them, as bits; the largest last.
pub(super) fn all() -> Vec<Vec<u32>> {
    const ODD: [u32; 6] = [
        0x8000_0000,
        0x7f80_0000,
        0xff80_0001,
        0x7fc0_1234,
        1,
        0x807f_ffff,
    ];
    let words = |n: u32| {
        let word = |i: u32| match i % 7 {
            6 => ODD[(i / 7) as usize % ODD.len()],
            _ => i.wrapping_mul(2_654_435_761),
        };
        (0..n).map(word).collect()
    };
    [0, 1, 3, 4, 5, 4_095, 4_096, 4_099, 70_001]
        .into_iter()
        .map(words)
        .collect()
}
