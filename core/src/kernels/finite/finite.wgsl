// Raises a flag where a value is NaN or infinite.
//
// One thread: EACH values of `values [len]` that lie WIDTH apart. Bits are tested, since a driver may assume that floats are finite. The flag is raised by an
// atomic, whose order cannot show.
//
// binding 2: values [len] u32, bits of f32
// binding 3: flag [1] u32

// len, unused
@group(0) @binding(1) var<uniform> params: vec4<u32>;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> broken: atomic<u32>;

@compute @workgroup_size(WIDTH)
fn look(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group.x + origin.x) * WIDTH * EACH + thread;
    var found = false;
    for (var i = 0u; i < EACH; i++) {
        let at = first + i * WIDTH;
        if at < params.x {
            found = found || (values[at] & 0x7f800000u) == 0x7f800000u;
        }
    }
    if found {
        atomicOr(&broken, 1u);
    }
}
