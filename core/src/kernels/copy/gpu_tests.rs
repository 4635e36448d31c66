//! The kernel against the definition, with a changed bit that must show.

use super::gpu::run;
use super::{cases, reference};
use crate::device::testing::gpu;

#[test]
fn copy_on_wgpu_is_its_definition() {
    let Some(gpu) = gpu() else { return };
    for from in cases::all() {
        let (n, want) = (from.len(), reference::copy(&from));
        let source = gpu.upload("from", &from).unwrap();
        let into = gpu.upload("into", &vec![7_u32; n]).unwrap();
        let mut recorder = gpu.record();
        run(&mut recorder, &source, &into).unwrap();
        recorder.submit().unwrap();
        let mut got: Vec<u32> = gpu.read(&into, 0..n).unwrap();
        assert!(got == want, "{n} words on {}", gpu.label());
        if let Some(last) = got.last_mut() {
            *last ^= 1 << 31;
            assert!(got != want, "a changed bit must show");
        }
    }
}
