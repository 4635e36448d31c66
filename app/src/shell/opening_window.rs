//! The dialog that opens a model or a dictionary: where it is, how it is held, and what it takes before anything large is read.

use egui::{Align2, Button, DragValue, Label, RichText, ScrollArea, TextEdit, Ui};
use umbra_core::hub::Name;
use umbra_core::models::{Form, Opening, Processing, STEPS};

use crate::state::opening::{Found, FoundDictionary, Kind, Looked, OpeningState};
use crate::state::requests::{Commands, opening, shell};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;
use crate::widgets::parts::{bar_ui, fact_ui};
use crate::words;

const WIDTH: f32 = 520.0;

/// Height of what was decided about a model, without scrolling.
const NOTES: f32 = 84.0;

/// Distance of the dialog from the top of the window.
const TOP: f32 = 56.0;

/// Height of the dialog's title and margins, and its distance from the bottom of the window.
const AROUND: f32 = 96.0;

/// Draws the dialog.
pub(super) fn opening_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let mut open = true;
    let title = match state.opening.kind {
        Kind::Model => "Open a model",
        Kind::Dictionary => "Open a dictionary",
    };
    egui::Window::new(theme::panel_title(title))
        .id(egui::Id::unique("opening"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, (0.0, TOP)) // it grows downwards, the field stays where it is
        .show(ui.ctx(), |ui| {
            let room = ui.ctx().content_rect().height() - TOP - AROUND;
            // As high as its content, up to the room that there is.
            let area = ScrollArea::vertical().id_salt("dialog");
            let area = area.max_height(room).min_scrolled_height(room);
            area.show(ui, |ui| {
                ui.set_width(WIDTH);
                ui.spacing_mut().item_spacing.y = space::CONTROL;
                source_ui(ui, &state.opening, commands);
                choices_ui(ui, &state.opening, commands);
                ui.separator();
                looked_ui(ui, state, commands);
            });
        });
    if !open {
        commands.send(opening::Command::Close);
    }
}

fn source_ui(ui: &mut Ui, opening: &OpeningState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let dictionary = opening.kind == Kind::Dictionary;
    let (words, hint) = if dictionary {
        (
            "Folder or file in any supported format, or a name on the hub or in SAELens's registry",
            "google/gemma-scope-2b-pt-res:layer_20/width_16k/average_l0_71, or a path",
        )
    } else {
        (
            "Folder, GGUF file or name on the hub",
            "openai-community/gpt2, owner/name/file.gguf@revision, or a path",
        )
    };
    let label = ui.label(caption(words).color(secondary));
    let mut source = opening.source.clone();
    let edit = TextEdit::singleline(&mut source)
        .hint_text(hint)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    let edit = ui.add(edit).labelled_by(label.id);
    if edit.changed() {
        commands.send(opening::Command::Typed(source));
    } else if source.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
        edit.request_focus(); // what is typed first is the source
    }
    let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let here = matches!(
        opening.looked,
        Load::Ready(Looked::Here(_) | Looked::Dictionary(_))
    );
    if entered && here {
        commands.send(opening::Command::Open);
    }
    if let Some(left) = opening.pause_left() {
        ui.request_repaint_after(left);
    }
    suggestions_ui(ui, opening, commands);
    ui.horizontal(|ui| {
        let of_file = if dictionary {
            "File…"
        } else {
            "GGUF file…"
        };
        for (words, file) in [("Folder…", false), (of_file, true)] {
            if ui.button(words).clicked() {
                commands.send(opening::Command::Pick { file });
            }
        }
    });
}

/// Draws the registry's matches; a click fills in one.
fn suggestions_ui(ui: &mut Ui, opening: &OpeningState, commands: &mut Commands) {
    let (lines, more) = &opening.suggestions;
    if lines.is_empty() {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for line in lines {
            let about = caption(&line.about).color(secondary);
            let button = Button::new(theme::mono(&line.source))
                .right_text(about)
                .frame_when_inactive(false)
                .truncate()
                .min_size(egui::vec2(ui.available_width(), space::TABLE_ROW));
            if ui.add(button).on_hover_text(&line.source).clicked() {
                commands.send(opening::Command::Typed(line.source.clone()));
            }
        }
        if *more > 0 {
            let words = format!(
                "and {} more: type more of the name to see them",
                number::count(*more as u64)
            );
            ui.label(caption(words).color(secondary));
        }
    });
}

fn choices_ui(ui: &mut Ui, opening: &OpeningState, commands: &mut Commands) {
    let how = opening.how;
    let mut stored = how.form == Form::Stored;
    let mut offline = opening.hub.as_ref().is_some_and(|hub| hub.offline);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        if opening.kind == Kind::Model {
        let help = "Keeps the matrices of a GGUF file in memory as the file stores them and converts them to f32 when they are used: less memory, slower, the same results. The weights of a folder are always f32";
        let keep = ui.checkbox(&mut stored, "Keep GGUF matrices as stored");
        if keep.on_hover_text(help).changed() {
            let form = if stored { Form::Stored } else { Form::F32 };
            commands.send(opening::Command::How(Opening { form, ..how }));
        }
        }
        let help = "Uses only the hub's cache for names, never the network. On by default where HF_HUB_OFFLINE is set";
        let fetch = ui.checkbox(&mut offline, "Offline: fetch nothing");
        if fetch.on_hover_text(help).changed() {
            commands.send(opening::Command::Offline(offline));
        }
    });
    if opening.kind == Kind::Model {
        bos_ui(ui, how, commands);
        processing_ui(ui, how, commands);
    }
}

/// Draws the options for BOS.
fn bos_ui(ui: &mut Ui, how: Opening, commands: &mut Commands) {
    let mut bos = how.bos;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        let help = "Puts no beginning-of-sequence token before a text, whatever the model and the dictionary ask for";
        ui.checkbox(&mut bos.left_out, "Leave out BOS")
            .on_hover_text(help);
        let help = "Adds BOS even to a text that begins with BOS, as transformers does; otherwise such a text keeps its single BOS";
        ui.checkbox(&mut bos.doubled, "Keep a double BOS")
            .on_hover_text(help);
    });
    if bos != how.bos {
        commands.send(opening::Command::How(Opening { bos, ..how }));
    }
}

/// Draws the choice of processing steps for the weights.
fn processing_ui(ui: &mut Ui, how: Opening, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let help = "Rewrites the weights as TransformerLens's from_pretrained does; the model's predictions stay the same. Dictionaries that were trained on a processed model need it";
    let mut processing = how.processing;
    ui.horizontal(|ui| {
        ui.label(caption("Processing of the weights").color(secondary))
            .on_hover_text(help);
        let usual = Processing::transformer_lens();
        for (words, preset) in [
            ("None", Processing::default()),
            ("As TransformerLens", usual),
        ] {
            if ui
                .selectable_label(how.processing.keys() == preset.keys(), words)
                .clicked()
            {
                processing = preset;
            }
        }
    });
    egui::Grid::new("steps")
        .num_columns(2)
        .spacing([space::GROUP, space::CHIP])
        .show(ui, |ui| {
            for (i, step) in STEPS.iter().enumerate() {
                let mut on = how.processing.has(step.key);
                let help = format!("{} ({})", step.help, step.key);
                let changed = ui.checkbox(&mut on, step.label).on_hover_text(help);
                if changed.changed() && processing.set(step.key, on).is_err() {
                    continue; // every step of the list is known
                }
                if i % 2 == 1 {
                    ui.end_row();
                }
            }
        });
    if processing != how.processing {
        let how = Opening { processing, ..how };
        commands.send(opening::Command::How(how));
    }
}

/// Draws what the source is and the one action that it allows.
fn looked_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let opening = &state.opening;
    let secondary = Theme::from_ui(ui).ink.secondary;
    match &opening.looked {
        Load::Absent if opening.source.trim().is_empty() => {
            let cache = opening.hub.as_ref().map(|hub| hub.cache.display());
            let cache = cache.map_or_else(String::new, |cache| format!(", {cache}"));
            let words = format!(
                "Its memory needs are shown here before it is loaded. A name on the hub is downloaded to the cache that HuggingFace's programs share{cache}."
            );
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        }
        Load::Absent | Load::Loading => {
            ui.label(RichText::new("Looking…").color(secondary));
        }
        Load::Failed(_) if !opening.suggestions.0.is_empty() => {
            let words = "Choose one of these, or type a path or a name.";
            ui.label(RichText::new(words).color(secondary));
        }
        Load::Failed(why) => {
            failure_line(ui, "This cannot be opened", why);
            if ui.button("Try again").clicked() {
                commands.send(opening::Command::Show(opening.kind));
            }
        }
        Load::Ready(Looked::OnHub(name)) => on_hub_ui(ui, state, name, commands),
        Load::Ready(Looked::Here(found)) => found_ui(ui, found, commands),
        Load::Ready(Looked::Dictionary(found)) => dictionary_ui(ui, found, commands),
    }
}

fn on_hub_ui(ui: &mut Ui, state: &AppState, name: &Name, commands: &mut Commands) {
    let opening = &state.opening;
    let offline = opening.hub.as_ref().is_some_and(|hub| hub.offline);
    let words = if offline {
        format!("{name} is not complete in the hub's cache, and downloads are off.")
    } else {
        format!("{name} is not complete in the hub's cache: download it to see its memory needs.")
    };
    ui.add(Label::new(words).wrap());
    let job = opening.fetching.and_then(|id| state.jobs.get(id));
    let Some(job) = job.filter(|job| job.is_running()) else {
        let fetch = Button::new("Fetch").min_size(egui::vec2(0.0, space::CONTROL_ROW));
        if ui.add_enabled(!offline, fetch).clicked() {
            commands.send(opening::Command::Fetch(name.clone()));
        }
        return;
    };
    ui.horizontal(|ui| {
        let words = job.progress.map_or_else(
            || "Asking the hub…".to_owned(),
            |p| format!("{} / {} MB", number::count(p.done), number::count(p.total)),
        );
        bar_ui(
            ui,
            job.share().unwrap_or(0.0),
            240.0,
            &format!("{}: {words}", job.name),
        );
        ui.label(theme::mono_caption(words).color(Theme::from_ui(ui).ink.secondary));
        if ui.button("Stop").clicked() {
            commands.send(shell::Command::StopJob(job.id));
        }
    });
    ui.request_repaint_after(std::time::Duration::from_millis(250));
}

fn found_ui(ui: &mut Ui, found: &Found, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let card = &found.card;
    let config = &card.config;
    ui.label(theme::panel_title(&card.name))
        .on_hover_text(found.path.display().to_string());
    let footprint = &card.footprint;
    let kinds: Vec<_> = footprint.stored.iter().map(|(kind, _)| *kind).collect();
    let form = number::held(footprint.form);
    let memory = number::bytes(footprint.memory_bytes);
    let free = found.free.map_or_else(String::new, |free| {
        format!(", of {} available", number::bytes(free))
    });
    let facts = [
        (
            "Family",
            format!(
                "{} · {} layers of width {}",
                config.family, config.layers, config.d_model
            ),
            "Architecture named in its config, and its shape",
        ),
        (
            "Parameters",
            format!(
                "{} ({})",
                number::count(footprint.parameters),
                kinds.join(", ")
            ),
            "Number of weights, and the types that they are stored in",
        ),
        (
            "Files",
            number::bytes(footprint.disk_bytes),
            "Size of its weight files",
        ),
        (
            "Memory",
            format!("{memory} {form}{free}"),
            "Memory of the loaded weights, from the headers of its files",
        ),
    ];
    for (label, value, definition) in facts {
        fact_ui(ui, label, &value, definition);
    }
    ScrollArea::vertical().max_height(NOTES).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::CHIP;
        for note in card
            .facts
            .iter()
            .map(String::as_str)
            .chain(found.notes.iter())
        {
            ui.add(Label::new(caption(words::said(note)).color(theme.ink.secondary)).wrap());
        }
    });
    fit_and_open_ui(ui, found.fits(), "a smaller or quantised model", commands);
}

/// Draws facts of a dictionary, from the headers of its files.
fn dictionary_ui(ui: &mut Ui, found: &FoundDictionary, commands: &mut Commands) {
    let look = &found.look;
    let kind = if look.layers.is_empty() {
        look.format.name().to_owned()
    } else {
        format!("{}, cross-layer transcoder", look.format.name())
    };
    ui.label(theme::panel_title(kind))
        .on_hover_text(look.weights.display().to_string());
    if let Some([features, width]) = look.shape {
        let shape = format!(
            "{} × {}",
            number::count(features as u64),
            number::count(width as u64)
        );
        let definition = "Rows of encoder and decoder, and width of the hook's activations";
        fact_ui(ui, "Features × width", &shape, definition);
    }
    if !look.layers.is_empty() {
        layer_ui(ui, found, commands);
    }
    let mut types: Vec<&str> = look.tensors.iter().map(|(_, dtype, _)| *dtype).collect();
    types.sort_unstable();
    types.dedup();
    let files = format!("{} ({})", number::bytes(look.bytes), types.join(", "));
    fact_ui(
        ui,
        "Files",
        &files,
        "Size of its weights, and the types that they are stored in",
    );
    if let Some(memory) = found.memory_bytes() {
        let free = found.free.map_or_else(String::new, |free| {
            format!(", of {} available", number::bytes(free))
        });
        let memory = format!("{} as f32{free}", number::bytes(memory));
        fact_ui(
            ui,
            "Memory",
            &memory,
            "Memory of the loaded encoder and decoder",
        );
    }
    fit_and_open_ui(ui, found.fits(), "a smaller dictionary", commands);
}

/// Layer of a cross-layer transcoder to open.
fn layer_ui(ui: &mut Ui, found: &FoundDictionary, commands: &mut Commands) {
    let layers = found.look.layers.len();
    let definition = "In a cross-layer transcoder, features write to their own and all later layers. Its output is the sum over layers, which umbra sae verify measures; here you open one layer";
    fact_ui(ui, "Layers", &number::count(layers as u64), definition);
    ui.horizontal(|ui| {
        let label = ui
            .label("Layer to open")
            .on_hover_text("Each layer opens as its own dictionary");
        let mut layer = found.layer;
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let value = DragValue::new(&mut layer).range(0..=layers - 1);
            if ui.add(value).labelled_by(label.id).changed() {
                commands.send(opening::Command::Layer(layer));
            }
        });
    });
}

/// Says if it does not fit, and opens it if it does.
fn fit_and_open_ui(ui: &mut Ui, fits: bool, smaller: &str, commands: &mut Commands) {
    if !fits {
        let words = format!(
            "It does not fit in the available memory: close other programs or choose {smaller}."
        );
        ui.horizontal_top(|ui| {
            ui.label(theme::icon(icons::WARNING_CIRCLE).color(Theme::from_ui(ui).failure));
            ui.add(Label::new(words).wrap());
        });
    }
    let open = Button::new("Open").min_size(egui::vec2(0.0, space::CONTROL_ROW));
    if ui.add_enabled(fits, open).clicked() {
        commands.send(opening::Command::Open);
    }
}
