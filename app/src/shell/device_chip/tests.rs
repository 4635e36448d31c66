//! The chip and its list in the whole frame.

use std::sync::Arc;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::device::{Compute, DeviceWish};
use umbra_core::workbench::devices::{List, Listed, Speed};

use super::shorter;
use crate::state::devices::{Event as Devices, Given};
use crate::state::jobs::{Event as Jobs, JobId};
use crate::state::requests::{Command, devices, shell};
use crate::state::{AppState, Event, Load, settings};
use crate::testing::{self, Desk, Window};

const CARD: &str = "GeForce RTX 4090 · Vulkan";

fn device(id: &str, name: &str, kind: &'static str) -> Listed {
    Listed {
        id: id.to_owned(),
        name: name.to_owned(),
        driver: "a driver 1.2".to_owned(),
        backend: "Vulkan".to_owned(),
        kind,
        memory_bytes: Some(24_000_000_000),
        abilities: None,
        speed: Speed {
            product_gflops: Some(41_234.0),
            ..Speed::default()
        },
        chosen: false,
        problem: None,
    }
}

fn listed(devices: Vec<Listed>, chosen: &str, why: &str) -> Event {
    let list = List {
        devices,
        chosen: chosen.to_owned(),
        why: why.to_owned(),
    };
    Event::Devices(Devices::List(Load::Ready(Arc::new(list))))
}

fn with_a_card() -> AppState {
    let mut state = testing::typical();
    let mut lame = device("wgpu:1", "Tiny", "integrated");
    lame.problem = Some("offers 4 storage buffers per kernel, 8 are needed".to_owned());
    let all = vec![
        device("cpu", "Xeon", "cpu"),
        device("wgpu:0", "GeForce RTX 4090", "discrete"),
        lame,
    ];
    state.apply(listed(all, "wgpu:0", "it is 9 times faster"));
    state
}

fn open(state: AppState) -> Harness<'static, Window> {
    let builder = Harness::builder().with_size((1000.0, 700.0));
    let mut harness = Window::build(builder, Desk::new(state));
    harness.run();
    harness.state_mut().take();
    harness.get_by_label_contains("Device: ").click();
    harness.run();
    harness
}

#[test]
fn the_chip_opens_the_list_and_a_click_chooses() {
    let mut harness = open(with_a_card());
    harness.get_by_label(&format!("Device: {CARD}"));
    harness.get_by_label("GeForce RTX 4090 · Vulkan for large dictionaries: it is 9 times faster");
    harness.get_by_label("offers 4 storage buffers per kernel, 8 are needed");
    let cpu = Compute::Cpu.label();
    for (row, wish) in [
        (cpu.as_str(), DeviceWish::Cpu),
        (CARD, DeviceWish::Gpu(Some(0))),
        ("Automatic", DeviceWish::Auto),
    ] {
        harness
            .get_by_role_and_label(Role::RadioButton, row)
            .click();
        harness.run();
        let choose: Command = devices::Command::Choose(wish).into();
        assert_eq!(harness.state_mut().take(), [choose], "{row}");
    }
    harness.get_by_label("Measure all devices").click();
    harness.run();
    let measure: Command = devices::Command::Measure.into();
    assert_eq!(harness.state_mut().take(), [measure]);
    harness.get_by_label("About devices").click();
    harness.run();
    let guide: Command = shell::Command::Guide(Some("devices")).into();
    assert_eq!(harness.state_mut().take(), [guide]);
}

#[test]
fn the_list_is_asked_for_once_it_is_opened() {
    let mut harness = open(testing::typical());
    let list: Command = devices::Command::List.into();
    let asked = harness.state_mut().take();
    assert!(asked.contains(&list), "{asked:?}");
    harness.get_by_label("Looking for devices…");
}

#[test]
fn without_an_adapter_the_reason_stands_in_the_list() {
    let mut state = testing::typical();
    let why = "no GPU was found: there is no driver for Vulkan, Metal or DirectX 12";
    state.apply(listed(vec![device("cpu", "Xeon", "cpu")], "cpu", why));
    let harness = open(state);
    harness.get_by_label_contains(why);
    harness.get_by_label(&format!("Device: {}", Compute::Cpu.label()));
}

#[test]
fn a_chosen_device_that_is_gone_is_named_with_the_remedy() {
    let mut state = with_a_card();
    let gone = settings::Event::Device(DeviceWish::Gpu(Some(7)));
    state.apply(Event::Settings(gone));
    let harness = open(state);
    harness.get_by_role_and_label(Role::RadioButton, "wgpu:7");
    harness.get_by_label("This device is not there: choose another");
}

#[test]
fn nothing_is_measured_beside_a_job_and_the_chip_names_its_device() {
    let mut state = with_a_card();
    state.apply(Event::Jobs(Jobs::Started(JobId(3), "Train z-0".to_owned())));
    let given = Given {
        job: JobId(3),
        name: "Train z-0".to_owned(),
        id: "wgpu:1".to_owned(),
        label: "Tiny · Vulkan".to_owned(),
        why: "you chose it".to_owned(),
    };
    state.apply(Event::Devices(Devices::Given(given)));
    let mut harness = open(state);
    harness.get_by_label("Device: Tiny · Vulkan");
    harness.get_by_label("Now: Train z-0: Tiny · Vulkan (you chose it)");
    harness.get_by_label("Measure all devices").click();
    harness.run();
    assert_eq!(harness.state_mut().take(), []);
    let mut desk = Desk::new(testing::typical());
    desk.state
        .apply(Event::Jobs(Jobs::Started(JobId(3), String::new())));
    desk.run(devices::Command::Measure);
    assert!(desk.notices()[0].contains("while nothing else runs"));
}

#[test]
fn a_choice_survives_a_restart_and_an_unknown_one_is_left_open() {
    let mut desk = Desk::new(testing::typical());
    desk.run(devices::Command::Choose(DeviceWish::Gpu(Some(2))));
    let settings = &desk.state.settings;
    let kept = serde_json::to_string(settings).unwrap();
    assert!(kept.contains("\"wgpu:2\""), "{kept}");
    let read: settings::Settings = serde_json::from_str(&kept).unwrap();
    assert_eq!(read.device, DeviceWish::Gpu(Some(2)));
    let newer = kept.replace("wgpu:2", "quantum:2");
    let read: settings::Settings = serde_json::from_str(&newer).unwrap();
    assert_eq!(read.device, DeviceWish::Auto);
}

#[test]
fn a_long_name_keeps_its_backend() {
    assert_eq!(
        shorter("llvmpipe (LLVM 15.0.6) · Vulkan", 20),
        "llvmpipe (… · Vulkan"
    );
    assert_eq!(shorter("CPU · 2 threads", 20), "CPU · 2 threads");
}
