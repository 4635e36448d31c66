//! Every tile against the definition, and all tiles against each other.

use super::cases::{Case, all};
use super::*;
use crate::device::testing::gpu;
use crate::device::{Gpu, Table};
use crate::dims::Matrix;

fn computed(gpu: &Gpu, case: &Case, tile: &'static Tile) -> Matrix {
    let left = Table::upload(gpu, "left", &case.left).unwrap();
    let right = Table::upload(gpu, "right", &case.right).unwrap();
    let product = product(gpu, &left, &right, tile).unwrap();
    let mut got = Matrix::zeros(case.left.rows(), case.right.rows());
    product.read(gpu, &mut got).unwrap();
    got
}

/// The first value that is off by more than the tolerance.
fn fault(case: &Case, got: &[f32]) -> Option<usize> {
    let magnitude = |of: &Matrix| {
        let values = of.values().iter().map(|v| v.abs()).collect();
        Matrix::new(of.rows(), of.columns(), values).unwrap()
    };
    let want = reference::product(&case.left, &case.right);
    let sizes = reference::product(&magnitude(&case.left), &magnitude(&case.right));
    // A value below the normal numbers, or a product of two, may count as 0.
    let least = |of: &Matrix| {
        1.0 + of
            .values()
            .iter()
            .fold(0.0_f64, |most, v| most.max(f64::from(v.abs())))
    };
    let lost = f64::from(f32::MIN_POSITIVE)
        * (1 + case.left.columns()) as f64
        * (least(&case.left) + least(&case.right));
    assert_eq!(got.len(), want.len(), "{}", case.name);
    (0..got.len()).find(|i| {
        let off = (f64::from(got[*i]) - want[*i]).abs();
        off.is_nan() || off > 1e-5 * sizes[*i] + lost
    })
}

#[test]
fn products_on_wgpu_are_their_definition_and_equal_for_all_tiles() {
    let Some(gpu) = gpu() else { return };
    for case in all() {
        let first = computed(&gpu, &case, &TILES[0]);
        assert_eq!(fault(&case, first.values()), None, "{}", case.name);
        let mut nudged = first.values().to_vec();
        if let Some(value) = nudged.last_mut() {
            *value += 1e-2 * (1.0 + value.abs());
            assert!(
                fault(&case, &nudged).is_some(),
                "{}: a nudged value passed",
                case.name
            );
        }
        let bits = |m: &Matrix| m.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for tile in &TILES[1..] {
            let other = computed(&gpu, &case, tile);
            assert_eq!(bits(&other), bits(&first), "{} by {}", case.name, tile.name);
        }
        // Split over buffers, if the rows are long enough.
        let split = gpu.with_binding_limit(20_000);
        if case.left.columns() < 37 && case.right.rows() < 300 {
            let other = computed(&split, &case, &TILES[1]);
            assert_eq!(bits(&other), bits(&first), "{} split", case.name);
        }
    }
}

#[test]
fn the_fastest_tile_is_found_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let (tile, speed) = tune(&gpu).unwrap();
    assert!(tile < TILES.len());
    assert!(speed > 0.0 && speed.is_finite());
}
