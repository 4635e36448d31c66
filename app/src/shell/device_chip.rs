//! The device chip of the top bar: what computes. It opens the list of devices, where one is chosen for the jobs that follow.

#[cfg(test)]
mod tests;

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{
    Align2, Button, Label, PopupCloseBehavior, Rect, Response, RichText, Role, Sense, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};
use umbra_core::device::{Compute, DeviceWish};
use umbra_core::workbench::devices::{List, Listed};

use crate::state::devices::{DevicesState, label};
use crate::state::prompt::latency::Latencies;
use crate::state::requests::{Commands, devices, shell};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, mono_caption, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;
use crate::widgets::parts::{fact_ui, shortened};
use crate::words;

/// Width of the list.
const WIDTH: f32 = 560.0;

/// Width of what is said of a device on hover.
const CARD: f32 = 420.0;

/// Letters of a name in the bar: of a wide window, of a narrow one.
const NAME: [usize; 2] = [34, 20];

/// Narrower than this, the bar has little room.
const ROOMY: f32 = 1160.0;

/// Title, unit and definition of a column of figures, and its width.
struct Column {
    title: &'static str,
    definition: &'static str,
    width: f32,
    text: fn(&Listed) -> String,
}

const COLUMNS: [Column; 4] = [
    Column {
        title: "Kind",
        definition: "CPU, graphics card (discrete), graphics unit that shares the processor's memory (integrated), or a driver that computes on the processor (software)",
        width: 76.0,
        text: |device| device.kind.to_owned(),
    },
    Column {
        title: "Memory",
        definition: "Memory of the device, shared with the processor where the kind is integrated or software",
        width: 64.0,
        text: |device| device.memory_bytes.map_or("–".to_owned(), number::bytes),
    },
    Column {
        title: "GFLOP/s",
        definition: PRODUCT,
        width: 64.0,
        text: |device| figure(device.speed.product_gflops),
    },
    Column {
        title: "GB/s",
        definition: COPY,
        width: 56.0,
        text: |device| figure(device.speed.copy_gbps),
    },
];

const PRODUCT: &str = "Measured speed of a matrix product in f32, in 10⁹ operations per second: it decides how fast dictionaries are trained and run";

const COPY: &str = "Measured speed of a copy, reading and writing, in 10⁹ bytes per second: it decides how fast sparse steps run";

fn figure(measured: Option<f64>) -> String {
    measured.map_or("–".to_owned(), number::number)
}

/// Draws the chip.
pub(super) fn device_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let name = state.devices.computes(state.settings.device, &state.jobs);
    let roomy = ui.ctx().content_rect().width() >= ROOMY;
    let most = NAME[usize::from(!roomy)];
    let words = caption(shorter(&name, most)).color(secondary);
    let icon = theme::icon(icons::CPU).color(secondary);
    // Large text in a small window leaves room for the icon alone.
    let button = if fits(ui, words.clone()) {
        Button::new((icon, words))
    } else {
        Button::new(icon)
    };
    let button = button.frame_when_inactive(false).stroke(Stroke::NONE);
    // A choice is seen where it was made.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let menu = MenuButton::from_button(button).config(config);
    let (response, _) = menu.ui(ui, |ui| list_ui(ui, state, commands));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Device: {name}")));
    response.on_hover_text(format!("{name}: {}. Click for all devices", why(state)));
}

/// Whether `words` fit beside the icon into what the bar has left.
fn fits(ui: &Ui, words: RichText) -> bool {
    let style = egui::TextStyle::Small;
    let words = egui::WidgetText::from(words).into_galley(
        ui,
        Some(egui::TextWrapMode::Extend),
        f32::INFINITY,
        style,
    );
    let icon = theme::icon_font().size;
    let spacing = ui.spacing();
    let around = 2.0 * spacing.button_padding.x + spacing.icon_spacing + space::CONTROL;
    words.size().x + icon + around <= ui.available_width()
}

/// Shortens the name of an adapter, not its backend.
fn shorter(name: &str, most: usize) -> String {
    match name.rsplit_once(" · ") {
        Some((name, backend)) => {
            let room = most.saturating_sub(backend.chars().count() + 3);
            format!("{} · {backend}", shortened(name, room))
        }
        None => shortened(name, most),
    }
}

/// Why the device of the chip computes, as a clause.
fn why(state: &AppState) -> String {
    if let Some(given) = state.devices.at_work(&state.jobs) {
        return format!("{} computes on it ({})", given.name, given.why);
    }
    match (state.settings.device, &state.devices.list) {
        (DeviceWish::Auto, Load::Ready(list)) => words::said(&list.why).into_owned(),
        (DeviceWish::Auto, _) => "chosen for each job by its size".to_owned(),
        (DeviceWish::Cpu | DeviceWish::Gpu(_), _) => "chosen for all jobs".to_owned(),
    }
}

/// The list of devices.
fn list_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.set_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 2.0;
    head_ui(ui);
    let devices = &state.devices;
    automatic_ui(ui, state, commands);
    match &devices.list {
        Load::Ready(list) => {
            for device in &list.devices {
                listed_ui(ui, state, device, commands);
            }
            unknown_ui(ui, state, list, commands);
        }
        Load::Failed(why) => {
            let title = "The devices could not be listed";
            failure_line(ui, title, why.as_str());
        }
        Load::Absent | Load::Loading => {
            ui.label(caption("Looking for devices…").color(Theme::from_ui(ui).ink.secondary));
        }
    }
    if matches!(devices.list, Load::Absent) {
        commands.send(devices::Command::List);
    }
    ui.add_space(space::CHIP);
    ui.separator();
    foot_ui(ui, state, commands);
}

fn head_ui(ui: &mut Ui) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW - 8.0), Sense::hover());
    let small = egui::TextStyle::Small.resolve(ui.style());
    let left = rect.left_center() + vec2(NAMES, 0.0);
    let text = |at, align, text: &str| ui.painter().text(at, align, text, small.clone(), secondary);
    text(left, Align2::LEFT_CENTER, "Device for jobs");
    for (column, cell) in cells(rect) {
        text(cell.right_center(), Align2::RIGHT_CENTER, column.title);
        let id = ui.scope_id().with(column.title);
        let head = ui.interact(cell, id, Sense::hover());
        head.widget_info(|| WidgetInfo::labeled(Role::Label, true, column.title));
        head.on_hover_text(column.definition);
    }
}

/// Height of a row, and of one with a sentence below the name.
const ROW: f32 = space::CONTROL_ROW;
const ROW_AND_SENTENCE: f32 = ROW + 16.0;

/// Distance of the names from the left edge.
const NAMES: f32 = 28.0;

/// The columns of figures with their places in a row.
fn cells(row: Rect) -> impl Iterator<Item = (&'static Column, Rect)> {
    let mut right = row.right() - space::CONTROL;
    let placed = COLUMNS.iter().rev().map(move |column| {
        let cell = Rect::from_min_max(
            pos2(right - column.width, row.top()),
            pos2(right, row.bottom()),
        );
        right -= column.width;
        (column, cell)
    });
    placed.collect::<Vec<_>>().into_iter()
}

/// A row to choose a device by.
struct Row<'a> {
    name: &'a str,
    /// Sentence below the name.
    sentence: &'a str,
    /// Whether it says what is wrong.
    is_problem: bool,
    /// Its figures.
    device: Option<&'a Listed>,
    wish: DeviceWish,
}

fn row_ui(ui: &mut Ui, state: &AppState, row: &Row<'_>, commands: &mut Commands) -> Response {
    let theme = Theme::from_ui(ui);
    let chosen = state.settings.device == row.wish;
    let height = if row.sentence.is_empty() {
        ROW
    } else {
        ROW_AND_SENTENCE
    };
    let size = vec2(ui.available_width(), height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = row.name;
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, name));
    if response.hovered() || response.has_focus() {
        ui.painter()
            .rect_filled(rect, space::CORNER, theme.surface.hover);
    }
    let line = rect.with_max_y(rect.top() + ROW);
    if chosen {
        let at = line.left_center() + vec2(14.0, 0.0);
        let (font, ink) = (theme::icon_font(), theme.ink.primary);
        ui.painter()
            .text(at, Align2::CENTER_CENTER, icons::CHECK, font, ink);
    }
    let mut right = rect.right() - space::CONTROL;
    if let Some(device) = row.device {
        let font = egui::TextStyle::Monospace.resolve(ui.style());
        for (column, cell) in cells(line) {
            let (text, at) = ((column.text)(device), cell.right_center());
            ui.painter().text(
                at,
                Align2::RIGHT_CENTER,
                text,
                font.clone(),
                theme.ink.secondary,
            );
            right = right.min(cell.left());
        }
    }
    let place = |top: f32, height: f32, right: f32| {
        Rect::from_min_max(pos2(rect.left() + NAMES, top), pos2(right, top + height))
    };
    let name = RichText::new(row.name).color(theme.ink.primary);
    put(ui, place(line.top(), ROW, right - space::CONTROL), name);
    let ink = if row.is_problem {
        theme.warning
    } else {
        theme.ink.secondary
    };
    let below = place(line.bottom() - 8.0, 20.0, rect.right() - space::CONTROL);
    if !row.sentence.is_empty() {
        put(ui, below, caption(row.sentence).color(ink));
    }
    if response.clicked() {
        commands.send(devices::Command::Choose(row.wish));
    }
    response
}

/// Writes one line into `place`, cut where it is too long.
fn put(ui: &mut Ui, place: Rect, text: RichText) {
    let left = egui::Layout::left_to_right(egui::Align::Center);
    let builder = egui::UiBuilder::new().max_rect(place).layout(left);
    ui.scope_builder(builder, |ui| {
        ui.add(Label::new(text).truncate().selectable(false));
    });
}

fn automatic_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let reason = match &state.devices.list {
        Load::Ready(list) => {
            let name = state.devices.listed(&list.chosen).map(name_of);
            let why = words::said(&list.why);
            format!("{} for large dictionaries: {why}", name.unwrap_or_default())
        }
        _ => "The faster one for each job, by measurement".to_owned(),
    };
    let row = Row {
        name: "Automatic",
        sentence: &reason,
        is_problem: false,
        device: None,
        wish: DeviceWish::Auto,
    };
    row_ui(ui, state, &row, commands).on_hover_text(format!(
        "{reason}. Small jobs always take the CPU. Each device is measured once for jobs of each size, while nothing else runs"
    ));
}

/// Name of a device in the list.
fn name_of(device: &Listed) -> String {
    if device.id == "cpu" {
        Compute::Cpu.label()
    } else {
        label(device)
    }
}

fn listed_ui(ui: &mut Ui, state: &AppState, device: &Listed, commands: &mut Commands) {
    let row = Row {
        name: &name_of(device),
        sentence: device.problem.as_deref().unwrap_or_default(),
        is_problem: true,
        device: Some(device),
        wish: device.id.parse().unwrap_or_default(),
    };
    let response = row_ui(ui, state, &row, commands);
    response.on_hover_ui(|ui| card_ui(ui, device));
}

/// Says that the chosen device is not there.
fn unknown_ui(ui: &mut Ui, state: &AppState, list: &List, commands: &mut Commands) {
    let wish = state.settings.device;
    let id = wish.to_string();
    let numbered = matches!(wish, DeviceWish::Gpu(Some(_)));
    if numbered && !list.devices.iter().any(|device| device.id == id) {
        let row = Row {
            name: &id,
            sentence: "This device is not there: choose another",
            is_problem: true,
            device: None,
            wish,
        };
        row_ui(ui, state, &row, commands);
    }
}

/// Facts of a device.
fn card_ui(ui: &mut Ui, device: &Listed) {
    ui.set_width(CARD);
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.label(theme::panel_title(device.name.as_str()));
    let mut fact = |label: &str, value: String| fact_ui(ui, label, &value, "");
    fact("Id, as on the command line", device.id.clone());
    fact("Kind", device.kind.to_owned());
    if !device.driver.is_empty() {
        fact("Driver", device.driver.clone());
    }
    fact(
        "Memory",
        device
            .memory_bytes
            .map_or("not told".to_owned(), number::bytes),
    );
    let unit = |measured: Option<f64>, unit: &str| {
        measured.map_or("not measured".to_owned(), |value| {
            format!("{} {unit}", number::number(value))
        })
    };
    fact(
        "Matrix product",
        unit(device.speed.product_gflops, "GFLOP/s"),
    );
    fact("Copy", unit(device.speed.copy_gbps, "GB/s"));
    for (class, ms) in &device.speed.class_ms {
        fact(
            &format!("Encoding of a {class} batch"),
            format!("{} ms", number::number(*ms)),
        );
    }
    if let Some((limits, features)) = device.abilities {
        fact("One binding", number::bytes(limits.binding_bytes));
        let there = features.names();
        fact(
            "Features",
            if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            },
        );
    }
}

/// Draws what runs, how the window draws, and the button that measures.
fn foot_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let devices = &state.devices;
    if let Some(given) = devices.at_work(&state.jobs) {
        let line = format!("Now: {}", given.said());
        ui.add(Label::new(caption(line.as_str()).color(secondary)).truncate())
            .on_hover_text(line);
    }
    let drawing = drawing(devices, &state.prompt.latencies);
    ui.label(caption(drawing).color(secondary)).on_hover_text(
        "Time of a frame on the processor, without waiting for the screen: mean and longest of the latest frames. Jobs give a GPU short pieces of work, so that a window on the same GPU draws between them",
    );
    ui.add_space(space::CHIP);
    ui.horizontal(|ui| {
        let busy = state.jobs.running().next().is_some();
        let (words, hover) = match (devices.measuring.is_some(), busy) {
            (true, _) => ("Measuring…", "See the strip at the bottom"),
            (false, true) => ("Measure all devices", "Only while nothing else runs: other jobs would disturb the figures"),
            (false, false) => ("Measure all devices", "Measures matrix product and copy of every device, and remembers the figures: a few seconds, longer for software devices"),
        };
        let button = ui.add_enabled(!busy, Button::new(words));
        if button.on_hover_text(hover).on_disabled_hover_text(hover).clicked() {
            commands.send(devices::Command::Measure);
        }
        if ui.button("About devices").clicked() {
            commands.send(shell::Command::Guide(Some("devices")));
            ui.close();
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let id = state.settings.device.to_string();
            let line = format!("--device {id}");
            ui.label(mono_caption(line).color(secondary))
                .on_hover_text("The choice, as commands take it");
        });
    });
}

/// Says what draws the window, and how long frames take.
fn drawing(devices: &DevicesState, typed: &Latencies) -> String {
    if devices.drawing.is_empty() {
        return "No window is drawn".to_owned();
    }
    let shared = if devices.shared {
        ", which jobs may share"
    } else {
        ""
    };
    let frames = devices
        .frames
        .figures()
        .map_or(String::new(), |(mean, longest)| {
            let ms = |seconds: f32| number::number(f64::from(seconds) * 1e3);
            format!(" · frames {} ms, at most {} ms", ms(mean), ms(longest))
        });
    let typed = typed.figures().map_or(String::new(), |figures| {
        let median = number::number(figures.median.as_secs_f64() * 1e3);
        format!(" · colours in Prompt {median} ms after a key press")
    });
    format!(
        "The window is drawn with {}{shared}{frames}{typed}",
        devices.drawing
    )
}
