//! Compares the window with stored pictures in `tests/snapshots`: every custom-painted widget, and every screen with the demo, dark and light.
//!
//! Lavapipe, Mesa's software rasterizer for Vulkan, draws without a display and with the bundled fonts alone: tests load no system fonts, and a
//! character that the bundled fonts lack fails the test. Without lavapipe the tests skip and say so on standard error; with `REQUIRE_PICTURES` set
//! they fail. `UPDATE_SNAPSHOTS=1 cargo test --workspace --release -- testing::pictures` records every picture that differs; review it before you commit it.

mod names;
mod screens;
mod widgets;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew, wgpu};
use egui::Theme;
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};

pub(super) use screens::typical;
pub(super) use widgets::head_map;

/// Environment variable that turns a skip into a failure, as in the project's check.
const REQUIRED: &str = "REQUIRE_PICTURES";

/// Name of the software rasterizer among the Vulkan adapters.
const RASTERIZER: &str = "llvmpipe";

/// Driver that drew the stored pictures. Other versions of Mesa rasterize some pixels of lines and glyphs differently, so they are not compared.
const RECORDED_WITH: &str = "Mesa 22.3";

/// Largest distance of two colours that count as the same, in the unit of `dify` (squared YIQ distance). The pictures repeat to the byte on one
/// processor; between processors with vectors of another width, blending rounds by one level of 255, which is far below this.
const DISTANCE: f32 = 0.6;

/// Pixels of a widget's picture that may differ by more: none.
const OF_WIDGET: usize = 0;

/// Pixels of a screen's picture that may differ by more. Its figures are computed as it is drawn, so the last digit of some differs between processors
/// with vectors of another width; a digit covers about 40 pixels.
const OF_SCREEN: usize = 150;

/// Both themes, with their names in file names.
const THEMES: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// Folder of the pictures.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// Returns the renderer of the stored pictures; says so and returns none where this machine cannot draw them as they were recorded.
fn renderer() -> Option<WgpuTestRenderer> {
    match find() {
        Ok(renderer) => Some(renderer),
        Err(why) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED}: {why}");
            // Not `eprintln!`: the test runner hides what a passing test prints.
            drop(writeln!(
                std::io::stderr(),
                "pictures are not compared: {why}"
            ));
            None
        }
    }
}

fn find() -> Result<WgpuTestRenderer, String> {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.instance_descriptor.backends = wgpu::Backends::VULKAN;
    let instance = pollster::block_on(WgpuSetup::CreateNew(setup.clone()).new_instance());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let all = adapters.iter().map(wgpu::Adapter::get_info);
    fit(&all.collect::<Vec<_>>())?;
    setup.native_adapter_selector = Some(Arc::new(|adapters, _| {
        let found = adapters
            .iter()
            .find(|adapter| is_rasterizer(&adapter.get_info()));
        found.cloned().ok_or_else(|| RASTERIZER.to_owned())
    }));
    Ok(WgpuTestRenderer::from_setup(WgpuSetup::CreateNew(setup)))
}

fn is_rasterizer(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu && info.name.starts_with(RASTERIZER)
}

/// Checks that one of these adapters draws as the stored pictures were drawn.
fn fit(adapters: &[wgpu::AdapterInfo]) -> Result<(), String> {
    let found = adapters.iter().find(|info| is_rasterizer(info));
    let Some(found) = found else {
        let others: Vec<_> = adapters.iter().map(|info| info.name.as_str()).collect();
        return Err(format!(
            "Vulkan's adapters here are [{}], without {RASTERIZER}; install mesa-vulkan-drivers",
            others.join(", ")
        ));
    };
    if !found.driver_info.starts_with(RECORDED_WITH) {
        return Err(format!(
            "{RASTERIZER} is of {}, the pictures of {RECORDED_WITH}",
            found.driver_info
        ));
    }
    Ok(())
}

/// Compares the last frame of `harness` with the stored picture `name`, of which `different` pixels may differ.
fn compare<S>(
    harness: &mut Harness<'_, S>,
    (name, different): (&str, usize),
    results: &mut SnapshotResults,
) {
    let options = SnapshotOptions::new()
        .threshold(DISTANCE)
        .max_failed_pixels(different)
        .output_path(folder());
    results.add(harness.try_snapshot_options(name, &options));
}

/// Names of all pictures.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, theme) in THEMES {
        names.extend(widgets::SAMPLES.map(|sample| format!("widgets/{}.{theme}", sample.name)));
        names.extend(screens::names().map(|screen| format!("screens/{screen}.{theme}")));
        names.extend(screens::steps().map(|step| format!("screens/{step}.{theme}")));
        names.extend(screens::questions().map(|name| format!("screens/{name}.{theme}")));
        names.insert(format!("screens/{}.{theme}", screens::TASK));
    }
    names
}

/// Names of the pictures in `folder`, without those that a failed comparison leaves there (`.new`, `.old`, `.diff`).
fn stored(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in ["widgets", "screens"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = name.strip_suffix(".png")
                && ![".new", ".old", ".diff"]
                    .iter()
                    .any(|left| name.ends_with(left))
            {
                found.insert(format!("{part}/{name}"));
            }
        }
    }
    found
}

/// Whether this run records pictures instead of comparing them.
fn records() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

#[test]
fn every_stored_picture_is_of_something() {
    if records() {
        return; // others are writing them
    }
    assert_eq!(stored(&folder()), names());
}

#[test]
fn a_picture_that_differs_fails() {
    let Some(renderer) = renderer().filter(|_| !records()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = SnapshotOptions::new()
        .threshold(DISTANCE)
        .max_failed_pixels(OF_WIDGET)
        .output_path(folder.path());
    let mut harness = Harness::builder()
        .with_size((120.0, 40.0))
        .with_context_setup(crate::theme::install)
        .renderer(renderer)
        .build_ui_state(
            |ui, words: &mut &str| {
                ui.label(*words);
            },
            "0.123",
        );
    let stored = harness.render().unwrap();
    stored.save(folder.path().join("words.png")).unwrap();
    harness.run();
    harness.try_snapshot_options("words", &options).unwrap();
    *harness.state_mut() = "0.128";
    harness.run();
    let differs = harness.try_snapshot_options("words", &options).unwrap_err();
    assert!(differs.to_string().contains("did not match"), "{differs}");
}

#[test]
fn another_driver_is_named() {
    let adapter = |name: &str, kind, driver: &str| wgpu::AdapterInfo {
        name: name.to_owned(),
        driver_info: driver.to_owned(),
        ..wgpu::AdapterInfo::new(kind, wgpu::Backend::Vulkan)
    };
    let gpu = adapter("NVIDIA H200", wgpu::DeviceType::DiscreteGpu, "580.1");
    let newer = adapter("llvmpipe (LLVM 19)", wgpu::DeviceType::Cpu, "Mesa 25.0.1");
    let same = adapter("llvmpipe (LLVM 15)", wgpu::DeviceType::Cpu, "Mesa 22.3.6");
    for (adapters, named) in [
        (vec![], "mesa-vulkan-drivers"),
        (vec![gpu.clone()], "NVIDIA H200"),
        (vec![gpu.clone(), newer], "Mesa 25.0.1"),
    ] {
        let why = fit(&adapters).unwrap_err();
        assert!(why.contains(named), "{why}");
    }
    assert_eq!(fit(&[gpu, same]), Ok(()));
}
