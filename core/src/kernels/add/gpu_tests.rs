//! Sums of tables on wgpu: the bytes of the definition.

use super::{cases, gpu, reference};
use crate::device::{Table, testing};
use crate::dims::Matrix;

#[test]
fn sums_of_tables_on_wgpu_are_their_definition() {
    let Some(device) = testing::gpu() else { return };
    for (a, b) in cases::all() {
        let upload = |x: &[f32]| {
            let x = Matrix::new(x.len(), 1, x.to_vec()).unwrap();
            Table::upload(&device, "x", &x).unwrap()
        };
        let mut recorder = device.record();
        let sum = gpu::added(&mut recorder, &upload(&a), &upload(&b)).unwrap();
        recorder.submit().unwrap();
        let mut got = Matrix::zeros(a.len(), 1);
        sum.read(&device, &mut got).unwrap();
        let want = reference::add(&a, &b);
        assert_eq!(got.values(), want);
        got.values_mut()[0] += 1.0;
        assert_ne!(got.values(), want);
    }
}
