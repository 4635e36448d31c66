//! Every case on wgpu against its definition, exactly, with a nudged value that must fail.

use super::cases::{all, random};
use super::gpu::exclusive_sums;
use super::{bounds, gather, reference, sort};
use crate::device::testing::gpu;
use crate::device::{Buffer, Gpu};

fn read(gpu: &Gpu, buffer: &Buffer, len: usize) -> Vec<u32> {
    gpu.read(buffer, 0..len).unwrap()
}

/// Sorts on the device, with the payload given or numbered.
fn sorted(gpu: &Gpu, keys: &[u32], payload: Option<&[u32]>, bits: u32) -> (Vec<u32>, Vec<u32>) {
    let on_device = gpu.upload("keys", keys).unwrap();
    let carried = payload.map(|payload| gpu.upload("payload", payload).unwrap());
    let mut recorder = gpu.record();
    let pairs = (&on_device, carried.as_ref());
    let (first, second) = sort(&mut recorder, pairs, keys.len(), bits).unwrap();
    recorder.submit().unwrap();
    (
        read(gpu, &first, keys.len()),
        read(gpu, &second, keys.len()),
    )
}

#[test]
fn the_sort_is_its_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in all() {
        let numbers: Vec<u32> = (0..case.keys.len() as u32).collect();
        let mut want = reference::sort(&case.keys, &numbers, case.bits);
        let got = sorted(&gpu, &case.keys, None, case.bits);
        assert_eq!(got, want, "{}", case.name);
        let payload: Vec<u32> = numbers
            .iter()
            .map(|i| i.wrapping_mul(2_654_435_761))
            .collect();
        let with = sorted(&gpu, &case.keys, Some(&payload), case.bits);
        assert_eq!(
            with,
            reference::sort(&case.keys, &payload, case.bits),
            "{}",
            case.name
        );
        if let [.., last] = want.1.as_mut_slice() {
            *last += 1;
            assert_ne!(got, want, "{}: a nudged value passed", case.name);
        }
    }
}

#[test]
fn a_million_keys_are_sorted_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let keys = random(1 << 20, 16);
    let (first, second) = sorted(&gpu, &keys, None, 16);
    let in_order = (1..keys.len()).all(|i| (first[i - 1], second[i - 1]) < (first[i], second[i]));
    assert!(in_order, "keys, then numbers, ascend");
    let belong = (first.iter().zip(&second)).all(|(key, i)| keys[*i as usize] == *key);
    assert!(belong, "every key came with its number");
}

#[test]
fn exclusive_sums_are_their_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let large = (2_048 * 2_048 + 5, 3);
    for (len, bits) in [
        (0, 8),
        (1, 8),
        (7, 32),
        (2_047, 20),
        (2_048, 20),
        (2_049, 20),
        (70_001, 32),
        large,
    ] {
        let values = random(len, bits);
        let buffer = gpu.upload("values", &values).unwrap();
        let mut recorder = gpu.record();
        exclusive_sums(&mut recorder, &buffer, len).unwrap();
        recorder.submit().unwrap();
        let got = read(&gpu, &buffer, len);
        let mut want = reference::exclusive_sums(&values);
        assert!(got == want, "{len} values");
        if let [.., last] = want.as_mut_slice() {
            *last = last.wrapping_add(1);
            assert!(got != want, "{len}: a nudged value passed");
        }
    }
}

#[test]
fn bounds_and_gathered_values_are_their_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for (len, values) in [(0, 3), (1, 1), (900, 5), (300, 1_000), (2_000, 1 << 10)] {
        let mut keys: Vec<u32> = random(len, 10)
            .iter()
            .map(|key| key % values as u32)
            .collect();
        keys.sort_unstable();
        let on_device = gpu.upload("keys", &keys).unwrap();
        let order = random(len, 20)
            .iter()
            .map(|i| i % len.max(1) as u32)
            .collect::<Vec<_>>();
        let by = gpu.upload("order", &order).unwrap();
        let mut recorder = gpu.record();
        let found = bounds(&mut recorder, (&on_device, len), values).unwrap();
        let gathered = gather(&mut recorder, (&by, len), &on_device).unwrap();
        recorder.submit().unwrap();
        let got = read(&gpu, &found, values + 1);
        let mut want = reference::bounds(&keys, values);
        assert_eq!(got, want, "{len} keys below {values}");
        want[values] += 1;
        assert_ne!(got, want, "a nudged bound passed");
        let want: Vec<u32> = order.iter().map(|i| keys[*i as usize]).collect();
        assert_eq!(read(&gpu, &gathered, len), want);
    }
}
