//! Devices through the built program: the list, what is asked for and does not exist, a machine without a driver, and the bench on a GPU.

use std::path::Path;

use umbra_core::device::Adapter;
use umbra_tests::{Run, run, run_with_data};

use crate::{has_keys, umbra};

/// The small bench.
const BENCH: &str = "bench train --d 32 --features 128 --k 4 --batch 64 --rounds 2";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Runs the program where the loader finds no driver.
#[track_caller]
fn without_driver(folder: &Path, line: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let variables = [
        "VK_DRIVER_FILES=/nowhere",
        "VK_ICD_FILENAMES=/nowhere",
        "VK_ADD_DRIVER_FILES=",
    ];
    let all = [variables.as_slice(), &[program], &words(line)].concat();
    run("env", folder, &all)
}

#[test]
fn the_list_has_the_cpu_and_each_adapter_with_its_speed() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let places = (folder.path(), folder.path());
    let umbra = |args: &[&str]| run_with_data(program, places, args);
    let answer = umbra(&["devices", "--json"]).done().json();
    has_keys(&answer, "devices chosen why");
    let devices = answer["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 1 + Adapter::all().len());
    for (i, device) in devices.iter().enumerate() {
        let keys = "id name backend kind memory_bytes product_gflops copy_gbps subgroup f16 chosen";
        has_keys(device, keys);
        let id = if i == 0 {
            "cpu".to_owned()
        } else {
            format!("wgpu:{}", i - 1)
        };
        assert_eq!(device["id"], id.as_str());
        for figure in ["product_gflops", "copy_gbps"] {
            assert!(device[figure].as_f64().unwrap() > 0.0, "{device}");
        }
        assert_eq!(
            device["chosen"],
            device["id"] == answer["chosen"],
            "{answer}"
        );
    }
    let real = |device: &&serde_json::Value| {
        ["discrete", "integrated", "other"].contains(&device["kind"].as_str().unwrap())
    };
    if !devices.iter().any(|device| real(&device)) {
        assert_eq!(
            answer["chosen"], "cpu",
            "a software adapter is never taken unasked"
        );
    }
    // Remembered, not measured again.
    let again = umbra(&["devices", "--json", "--no-measure"]);
    assert_eq!(again.done().json()["devices"], answer["devices"]);
    let text = umbra(&["devices"]).done().out;
    assert!(text.contains("* cpu") || text.contains("* wgpu:"), "{text}");
    assert!(
        text.contains("GFLOP/s") && text.contains("auto takes "),
        "{text}"
    );
}

#[test]
fn an_unknown_device_is_refused_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let bench = |device: &str| {
        umbra(
            folder.path(),
            &[words(BENCH).as_slice(), &["--device", device]].concat(),
        )
    };
    let usage = bench("cuda");
    assert_eq!(usage.code, 2, "{usage:?}");
    assert!(
        usage
            .err
            .contains("`cuda` is no device, give auto, cpu, wgpu"),
        "{usage:?}"
    );
    if Adapter::all().is_empty() {
        bench("wgpu:99").refused(&["--device", "no GPU was found", "choose cpu or auto"]);
    } else {
        bench("wgpu:99").refused(&["--device", "there is no wgpu:99", "cpu, wgpu:0 ("]);
    }
}

#[test]
fn without_a_driver_everything_runs_on_the_cpu_and_the_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let list = without_driver(folder.path(), "devices --json")
        .done()
        .json();
    // A driver that a system finds by other ways is not one of Vulkan's files.
    let others = list["devices"].as_array().unwrap().len() > 1;
    if cfg!(target_os = "linux") {
        assert!(!others, "{list}");
    }
    if others {
        println!("skipped: this system has a driver that no variable hides");
        return;
    }
    assert_eq!(list["chosen"], "cpu");
    assert!(
        list["why"]
            .as_str()
            .unwrap()
            .starts_with("no GPU was found"),
        "{list}"
    );
    let auto = without_driver(folder.path(), &format!("{BENCH} --device auto --json"));
    assert!(auto.err.contains("note: Computing on CPU"), "{auto:?}");
    auto.done();
    without_driver(folder.path(), &format!("{BENCH} --device wgpu")).refused(&[
        "--device",
        "no GPU was found",
        "choose cpu or auto",
    ]);
}

#[test]
fn the_bench_on_wgpu_adds_the_figures_of_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let on = |device: &str| {
        let line = format!("{BENCH} --device {device} --json");
        umbra(folder.path(), &words(&line)).done()
    };
    let cpu = on("cpu").json();
    let mut keys: Vec<&String> = cpu.as_object().unwrap().keys().collect();
    assert!(!keys.contains(&&"device".to_owned()), "{cpu}");
    if Adapter::all().is_empty() {
        let required = std::env::var_os("REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "no adapter, and REQUIRE_GPU is 1");
        println!("skipped on wgpu: no adapter");
        return;
    }
    let gpu = on("wgpu");
    assert!(gpu.err.contains("note: Computing on "), "{gpu:?}");
    let gpu = gpu.json();
    keys.retain(|key| gpu.get(key.as_str()).is_none());
    assert!(keys.is_empty(), "missing on the GPU: {keys:?}");
    for key in [
        "product_gflops",
        "encode_gflops",
        "copy_gbps",
        "decode_gbps",
        "step_ms",
        "ratio",
    ] {
        assert!(gpu[key].as_f64().unwrap() > 0.0, "{key}: {gpu}");
    }
    assert!(
        gpu["device"].as_str().unwrap().starts_with("wgpu:"),
        "{gpu}"
    );
    if let Some(kernels) = gpu["kernels_ms"].as_object() {
        assert!(
            kernels.keys().any(|name| name.starts_with("encode: ")),
            "{gpu}"
        );
        assert!(
            kernels.values().all(|ms| ms.as_f64().unwrap() >= 0.0),
            "{gpu}"
        );
    }
}
