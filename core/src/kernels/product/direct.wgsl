// A tile of ROWS × COLUMNS sums of products, by one workgroup of THREADS threads, without workgroup memory: for drivers whose barriers are slow.
// One thread = 4 × 4 sums in registers.
//
// Order of summation, equal for all tiles: products in ascending d by `fma`, in blocks of 128 whose sums are added in ascending order.
//
// Constants: ROWS, COLUMNS, THREADS = ROWS · COLUMNS / 16.
const ACROSS: u32 = COLUMNS / 4u;
const PARTS: u32 = 1u;
alias Sums = array<mat4x4<f32>, PARTS>;

// Row and column of this thread's block within its tile.
fn part_at(thread: u32, part: u32) -> vec2<u32> {
    return 4u * vec2<u32>(thread / ACROSS, thread % ACROSS);
}

// This thread's sums of the tile whose first row and column are `first`; pair `which` of operands.
fn tile_sums(which: u32, first: vec2<u32>, thread: u32) -> Sums {
    let at = first + part_at(thread, 0u);
    var total = mat4x4<f32>();
    var some = mat4x4<f32>();
    for (var k = 0u; k < params.d; k += 4u) {
        let a = transpose(mat4x4<f32>(
            left4(which, at.x, k), left4(which, at.x + 1u, k), left4(which, at.x + 2u, k), left4(which, at.x + 3u, k),
        ));
        let b = transpose(mat4x4<f32>(
            right4(which, at.y, k), right4(which, at.y + 1u, k), right4(which, at.y + 2u, k), right4(which, at.y + 3u, k),
        ));
        some = outer(a[0], b[0], some);
        some = outer(a[1], b[1], some);
        some = outer(a[2], b[2], some);
        some = outer(a[3], b[3], some);
        if (k + 4u) % 128u == 0u {
            total += some;
            some = mat4x4<f32>();
        }
    }
    total += some;
    var sums: Sums;
    sums[0] = total;
    return sums;
}

