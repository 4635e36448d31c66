//! The dialog that opens a model or a dictionary: where it is, how it is held, and what it takes before anything large is read.

use egui::{Align2, Button, DragValue, Label, RichText, ScrollArea, TextEdit, Ui};
use umbra_core::hub::Name;
use umbra_core::models::{Form, Opening, Processing, STEPS};

use crate::state::jobs::Job;
use crate::state::opening::{Found, FoundDictionary, Kind, Looked, OpeningState};
use crate::state::requests::{Commands, opening, shell};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::form::{self, Part, Row};
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

/// Least distance of the content from both sides of the window, together.
const BESIDE: f32 = 64.0;

/// Name of the field for the source.
const FIELD: &str = "opening source";

/// Name of the part with the options.
const OPTIONS: &str = "opening options";

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
            let window = ui.ctx().content_rect();
            let room = window.height() - TOP - AROUND;
            let width = WIDTH.min(window.width() - BESIDE);
            form::dialog(ui, ("opening", width, room), |ui, part| {
                if part == Part::Footer {
                    return footer_ui(ui, state, commands);
                }
                source_ui(ui, &state.opening, commands);
                options_ui(ui, state, commands);
                ui.add_space(space::CHIP);
                ui.separator();
                looked_ui(ui, state, commands);
            });
        });
    if !open {
        commands.send(opening::Command::Close);
    }
}

fn source_ui(ui: &mut Ui, opening: &OpeningState, commands: &mut Commands) {
    let dictionary = opening.kind == Kind::Dictionary;
    let (label, help, hint) = if dictionary {
        (
            "Dictionary",
            "Folder or file in any supported format, or a name on the hub or in SAELens's registry, such as google/gemma-scope-2b-pt-res:layer_20/width_16k/average_l0_71",
            "Path, or name on the hub or in SAELens",
        )
    } else {
        (
            "Model",
            "Folder, GGUF file or name on the hub, such as openai-community/gpt2 or owner/name/file.gguf@revision",
            "Path, or name on the hub",
        )
    };
    let mut source = opening.source.clone();
    let row = Row {
        label,
        help,
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        let edit = TextEdit::singleline(&mut source)
            .id(egui::Id::unique(FIELD))
            .hint_text(hint)
            .desired_width(width - 16.0)
            .margin(egui::Margin::symmetric(8, 6));
        let edit = ui.add(edit);
        if edit.changed() {
            commands.send(opening::Command::Typed(source.clone()));
        } else if source.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
            edit.request_focus(); // what is typed first is the source
        }
        let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let fits = match &opening.looked {
            Load::Ready(Looked::Here(found)) => found.fits(),
            Load::Ready(Looked::Dictionary(found)) => found.fits(),
            _ => false,
        };
        if entered && fits {
            commands.send(opening::Command::Open);
        }
        edit
    });
    if let Some(left) = opening.pause_left() {
        ui.request_repaint_after(left);
    }
    suggestions_ui(ui, opening, commands);
    let row = Row {
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        let of_file = if dictionary {
            "File…"
        } else {
            "GGUF file…"
        };
        let folder = ui.button("Folder…");
        let file = ui.button(of_file);
        for (button, file) in [(&folder, false), (&file, true)] {
            if button.clicked() {
                commands.send(opening::Command::Pick { file });
            }
        }
        folder
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

/// Draws the options, folded away; the line says which are on.
fn options_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let opening = &state.opening;
    let (how, is_model) = (opening.how, opening.kind == Kind::Model);
    let offline = opening.hub.as_ref().is_some_and(|hub| hub.offline);
    let processing = format!("processing {}", how.processing);
    let on = [
        (
            how.form == Form::Stored && is_model,
            "GGUF matrices as stored",
        ),
        (offline, "offline"),
        (how.bos.left_out && is_model, "without BOS"),
        (how.bos.doubled && is_model, "double BOS"),
        (!how.processing.is_none() && is_model, processing.as_str()),
    ];
    let on = on.iter().filter(|(on, _)| *on).map(|(_, words)| *words);
    let on: Vec<&str> = on.collect();
    let open = state.settings.unfolded.contains(OPTIONS);
    if form::fold(ui, open, "Options", &on.join(", ")) {
        commands.send(shell::Command::Unfold(OPTIONS, !open));
    }
    if !open {
        return;
    }
    if is_model {
        let help = "Keeps the matrices of a GGUF file in memory as the file stores them and converts them to f32 when they are used: less memory, slower, the same results. The weights of a folder are always f32";
        let words = "Keep GGUF matrices as stored";
        if let Some(stored) = switch_ui(ui, ("Weights", words, help), how.form == Form::Stored) {
            let form = if stored { Form::Stored } else { Form::F32 };
            commands.send(opening::Command::How(Opening { form, ..how }));
        }
    }
    let help = "Uses only the hub's cache for names, never the network. On by default where HF_HUB_OFFLINE is set";
    let words = "Offline: fetch nothing";
    if let Some(offline) = switch_ui(ui, ("Network", words, help), offline) {
        commands.send(opening::Command::Offline(offline));
    }
    if is_model {
        bos_ui(ui, how, commands);
        processing_ui(ui, how, commands);
    }
}

/// Draws a row with a check mark; its new state, if it was changed.
fn switch_ui(ui: &mut Ui, (label, words, help): (&str, &str, &str), on: bool) -> Option<bool> {
    let mut now = on;
    let row = Row {
        label,
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        let check = ui.checkbox(&mut now, words).on_hover_text(help);
        let name = words.to_owned();
        check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, now, &name));
        check
    });
    (now != on).then_some(now)
}

/// Draws the options for BOS.
fn bos_ui(ui: &mut Ui, how: Opening, commands: &mut Commands) {
    let mut bos = how.bos;
    let help = "Puts no beginning-of-sequence token before a text, whatever the model and the dictionary ask for";
    if let Some(on) = switch_ui(ui, ("BOS", "Leave out BOS", help), bos.left_out) {
        bos.left_out = on;
    }
    let help = "Adds BOS even to a text that begins with BOS, as transformers does; otherwise such a text keeps its single BOS";
    if let Some(on) = switch_ui(ui, ("", "Keep a double BOS", help), bos.doubled) {
        bos.doubled = on;
    }
    if bos != how.bos {
        commands.send(opening::Command::How(Opening { bos, ..how }));
    }
}

/// Draws the choice of processing steps for the weights.
fn processing_ui(ui: &mut Ui, how: Opening, commands: &mut Commands) {
    let mut processing = how.processing;
    let row = Row {
        label: "Processing",
        help: "Rewrites the weights as TransformerLens's from_pretrained does; the model's predictions stay the same. Dictionaries that were trained on a processed model need it",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        let usual = Processing::transformer_lens();
        let mut choose = |words: &str, preset: Processing| {
            let chosen = how.processing.keys() == preset.keys();
            let choice = ui.selectable_label(chosen, words);
            if choice.clicked() {
                processing = preset;
            }
            choice
        };
        let none = choose("None", Processing::default());
        choose("As TransformerLens", usual);
        none
    });
    for step in STEPS {
        let help = format!("{} ({})", step.help, step.key);
        let on = how.processing.has(step.key);
        if let Some(on) = switch_ui(ui, ("", step.label, &help), on) {
            let set = processing.set(step.key, on);
            debug_assert!(set.is_ok(), "every step of the list is known");
        }
    }
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
        Load::Failed(_) if is_writing(ui) => {} // it may be half a name
        Load::Failed(why) => {
            failure_line(ui, "This cannot be opened", why);
            if ui.button("Try again").clicked() {
                commands.send(opening::Command::Show(opening.kind));
            }
        }
        Load::Ready(Looked::OnHub(name)) => on_hub_ui(ui, state, name, commands),
        Load::Ready(Looked::Here(found)) => found_ui(ui, found),
        Load::Ready(Looked::Dictionary(found)) => dictionary_ui(ui, found, commands),
    }
}

/// The job that fetches, while it runs.
fn fetching(state: &AppState) -> Option<&Job> {
    let job = state.jobs.get(state.opening.fetching?)?;
    job.is_running().then_some(job)
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
    let Some(job) = fetching(state) else {
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

fn found_ui(ui: &mut Ui, found: &Found) {
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
                "{} · {} of width {}",
                config.family,
                number::counted(config.layers as u64, "layer"),
                config.d_model
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
}

/// Layer of a cross-layer transcoder to open.
fn layer_ui(ui: &mut Ui, found: &FoundDictionary, commands: &mut Commands) {
    let layers = found.look.layers.len();
    let definition = "In a cross-layer transcoder, features write to their own and all later layers. Its output is the sum over layers; here you open one layer";
    fact_ui(ui, "Layers", &number::count(layers as u64), definition);
    let row = Row {
        label: "Layer to open",
        help: "Each layer opens as its own dictionary",
        ..Row::default()
    };
    let mut layer = found.layer;
    row.ui(ui, |ui, width| {
        let value = DragValue::new(&mut layer).range(0..=layers - 1);
        ui.add_sized(egui::vec2(width, space::CONTROL_ROW), value)
    });
    if layer != found.layer {
        commands.send(opening::Command::Layer(layer));
    }
}

/// Whether somebody writes the source.
fn is_writing(ui: &Ui) -> bool {
    ui.memory(|memory| memory.has_focus(egui::Id::unique(FIELD)))
}

/// Draws the one thing that can be done now, or why nothing can.
fn footer_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let opening = &state.opening;
    let too_large = |smaller: &str| {
        format!("It does not fit in the available memory: close other programs or choose {smaller}")
    };
    let (words, command, why) = match &opening.looked {
        Load::Ready(Looked::OnHub(name)) => {
            let offline = opening.hub.as_ref().is_some_and(|hub| hub.offline);
            let why = if offline {
                "Downloads are off: turn them on under Options".to_owned()
            } else if fetching(state).is_some() {
                "Fetching…".to_owned()
            } else {
                String::new()
            };
            ("Fetch", opening::Command::Fetch(name.clone()), why)
        }
        Load::Ready(Looked::Here(found)) if !found.fits() => {
            let why = too_large("a smaller or quantised model");
            ("Open", opening::Command::Open, why)
        }
        Load::Ready(Looked::Dictionary(found)) if !found.fits() => {
            let why = too_large("a smaller dictionary");
            ("Open", opening::Command::Open, why)
        }
        Load::Ready(_) => ("Open", opening::Command::Open, String::new()),
        load => {
            let why = match load {
                _ if opening.source.trim().is_empty() => "Type a path or a name, or choose one",
                Load::Failed(_) if is_writing(ui) => "Nothing to open there yet",
                Load::Failed(_) => "",
                _ => "Looking…",
            };
            form::main_button(ui, false, "", "Open");
            cancel_ui(ui, commands);
            return form::reason(ui, why);
        }
    };
    if form::main_button(ui, why.is_empty(), "", words).clicked() {
        commands.send(command);
    }
    cancel_ui(ui, commands);
    form::reason(ui, &why);
}

fn cancel_ui(ui: &mut Ui, commands: &mut Commands) {
    if form::side_button(ui, true, "Cancel").clicked() {
        commands.send(opening::Command::Close);
    }
}
