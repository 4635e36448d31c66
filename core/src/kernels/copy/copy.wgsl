// into = from, for `words` words of whatever they hold: u32 here, so that no bit changes.
//
// One thread copies 16 words that lie THREADS words apart, so that neighbouring threads read neighbouring words; one workgroup copies 16 · THREADS words.
//
// binding 1: (words, 0, 0, 0)
// binding 2: from_words [words]
// binding 3: into_words [words]
//
// Limits: words < 2^32 - 2^13. THREADS is a constant.

@group(0) @binding(1) var<uniform> params: vec4<u32>;
@group(0) @binding(2) var<storage, read> from_words: array<u32>;
@group(0) @binding(3) var<storage, read_write> into_words: array<u32>;

@compute @workgroup_size(THREADS)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group.x + origin.x) * 16u * THREADS + thread;
    for (var part = 0u; part < 16u; part += 1u) {
        let at = first + part * THREADS;
        if at < params.x {
            into_words[at] = from_words[at];
        }
    }
}
