//! The choice on this machine, whatever it has: a software adapter is never taken unasked, and each device says why it was taken.

use super::*;

/// A step large enough for a GPU.
fn large() -> Job {
    Job::new(4_096, 768, 24_576)
}

/// Devices with measurements in a folder of their own.
fn devices() -> (tempfile::TempDir, Devices) {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(Some(folder.path()));
    (folder, devices)
}

#[test]
fn the_cpu_is_taken_where_it_is_asked_for_and_for_small_steps_without_a_look_for_adapters() {
    let (_folder, devices) = devices();
    let asked = devices.choose(DeviceWish::Cpu, &large()).unwrap();
    assert_eq!(asked.why, "setting `device` asks for it");
    assert_eq!(asked.compute.id(), "cpu");
    let small = devices
        .choose(DeviceWish::Auto, &Job::new(64, 32, 128))
        .unwrap();
    assert!(
        small.note().starts_with("Computing on CPU · "),
        "{}",
        small.note()
    );
    assert!(small.why.contains("too few to gain from a GPU"));
    assert!(devices.found.get().is_none(), "no driver was woken");
}

#[test]
fn auto_takes_what_is_remembered_to_be_faster_and_never_a_software_adapter() {
    let (_folder, devices) = devices();
    let job = Job {
        beside_another: true,
        ..large()
    };
    let facts = devices.facts();
    let speed = |ms: f64| Speed {
        class_ms: [("large".to_owned(), ms)].into(),
        ..Speed::default()
    };
    let unmeasured = devices.choose(DeviceWish::Auto, &job).unwrap();
    assert_eq!(unmeasured.compute.id(), "cpu", "{}", unmeasured.why);
    for facts in &facts {
        devices.remember(&facts.identity, speed(1.0));
    }
    devices.remember(&cpu_identity(), speed(1e6));
    let real = facts
        .iter()
        .any(|facts| facts.kind != AdapterKind::Software);
    let choice = devices.choose(DeviceWish::Auto, &job).unwrap();
    assert_eq!(choice.compute.gpu().is_some(), real, "{}", choice.why);
    if !real && !facts.is_empty() {
        assert!(
            choice.why.contains("only a software adapter"),
            "{}",
            choice.why
        );
    }
}

#[test]
fn a_job_that_gpus_do_not_cover_is_refused_by_name_or_stays_on_the_cpu() {
    let (_folder, devices) = devices();
    let job = Job {
        uncovered: Some("the selection `mine` runs only on the CPU".to_owned()),
        ..large()
    };
    let said = devices.choose(DeviceWish::Gpu(None), &job).unwrap_err();
    assert_eq!(
        said.to_string(),
        "device: the selection `mine` runs only on the CPU, choose cpu or auto"
    );
    let auto = devices.choose(DeviceWish::Auto, &job).unwrap();
    assert_eq!(auto.note().split(": ").nth(1), job.uncovered.as_deref());
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_that_is_asked_for_is_opened_once_and_used_while_it_is_well() {
    use crate::device::testing::gpu;

    let Some(shared) = gpu() else { return };
    let (_folder, devices) = devices();
    let wish: DeviceWish = shared.id().parse().unwrap();
    let job = Job::new(64, 32, 128);
    let first = devices.choose(wish, &job).unwrap();
    let second = devices.choose(wish, &job).unwrap();
    assert_eq!(first.compute.id(), shared.id());
    assert_eq!(first.compute.gpu(), second.compute.gpu());
    assert!(first.why.starts_with("setting `device` asks for it"));
    first.compute.gpu().unwrap().give_up("was unplugged");
    let third = devices.choose(wish, &job).unwrap();
    assert_ne!(third.compute.gpu(), first.compute.gpu());
    assert!(third.compute.gpu().unwrap().check().is_ok());
    // A window's own device is the one that is used.
    let with = Devices::new(None).with(shared.clone());
    let own = with.choose(wish, &job).unwrap();
    assert_eq!(own.compute.gpu(), Some(&shared));
}

#[cfg(feature = "gpu")]
#[test]
fn a_listed_device_is_measured_once_on_wgpu() {
    use crate::device::testing::gpu;

    let Some(shared) = gpu() else { return };
    let (folder, devices) = devices();
    let job = Job::new(64, 32, 128);
    let before = devices.list(&job, Measuring::Never).unwrap();
    assert!(
        before
            .devices
            .iter()
            .all(|device| device.speed == Speed::default())
    );
    let list = devices.list(&job, Measuring::Missing).unwrap();
    let ids: Vec<&str> = list
        .devices
        .iter()
        .map(|device| device.id.as_str())
        .collect();
    assert!(ids.starts_with(&["cpu", "wgpu:0"]), "{ids:?}");
    for device in &list.devices {
        assert!(
            device.speed.product_gflops.is_some_and(|speed| speed > 0.0),
            "{device:?}"
        );
        assert!(
            device.speed.copy_gbps.is_some_and(|speed| speed > 0.0),
            "{device:?}"
        );
        assert_eq!(device.chosen, device.id == "cpu");
    }
    assert_eq!(list.chosen, "cpu");
    let again = Devices::new(Some(folder.path()));
    let again = again.list(&job, Measuring::Missing).unwrap();
    let speeds = |list: &List| -> Vec<Speed> {
        list.devices
            .iter()
            .map(|device| device.speed.clone())
            .collect()
    };
    assert_eq!(speeds(&again), speeds(&list), "on {}", shared.label());
    let json = again.json("why");
    assert_eq!(json["devices"][0]["id"], "cpu");
    assert_eq!(json["chosen"], "cpu");
}
