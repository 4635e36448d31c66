//! The WGSL form and `Matrix::rows_of` against the definition: bytes unchanged, over split tables.

use crate::device::Table;
use crate::device::testing::gpu;
use crate::dims::Matrix;

use super::{gpu::gather, reference};

#[test]
fn gathered_rows_are_the_rows_of_the_list_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    println!("on {}", gpu.label());
    for (rows, columns, list) in [
        (1, 1, vec![0]),
        (700, 3, (0..700_u32).step_by(7).collect()),
        (700, 70, (0..700_u32).rev().collect()),
        (5, 4, vec![]),
    ] {
        let mut values: Vec<f32> = (0..rows * columns).map(|i| i as f32 - 20.0).collect();
        values[0] = f32::from_bits(0x7fc0_1234);
        let matrix = Matrix::new(rows, columns, values).unwrap();
        let want = reference::gather(&matrix, &list);
        let bits = |matrix: &Matrix| -> Vec<u32> {
            matrix
                .values()
                .iter()
                .map(|value| value.to_bits())
                .collect()
        };
        assert_eq!(bits(&matrix.rows_of(&list)), bits(&want));
        // The list is never split; the limit is for rows.
        let places = gpu.upload("list", &list).unwrap();
        for gpu in [
            gpu.clone(),
            gpu.with_binding_limit(200 * 4 * columns as u64),
        ] {
            let table = Table::upload(&gpu, "table", &matrix).unwrap();
            let mut recorder = gpu.record();
            let out = gather(&mut recorder, &table, &places, list.len()).unwrap();
            recorder.submit().unwrap();
            let mut got = Matrix::zeros(list.len(), columns);
            out.read(&gpu, &mut got).unwrap();
            assert_eq!(bits(&got), bits(&want));
            if let Some(last) = got.values_mut().last_mut() {
                *last = f32::from_bits(last.to_bits() ^ 1);
                assert!(bits(&got) != bits(&want), "a nudged value passed");
            }
        }
    }
}
