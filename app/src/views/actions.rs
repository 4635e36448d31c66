//! Lists of actions that menus, palette and Library share: what can be done with a dictionary, recent projects and models, links.

use umbra_core::features::Viewer;
use umbra_core::formats::{Precision, Target};
use umbra_core::report::Choice;
use umbra_core::sae::Sae;

use crate::state::AppState;
use crate::state::catalogue::{Dictionary, LoadedSae, name_of};
use crate::state::requests::{Command, Commands, compare, dictionary, families, labels, library};
use crate::widgets::number::counted;

/// Words of the action that takes a dictionary out of the project.
pub(crate) const REMOVE: &str = "Remove from the project";

/// A recent project or model: its name, where it is, what opens it.
pub(crate) type Recent = (String, String, library::Command);

/// Recent projects but the open one, latest first.
pub(crate) fn recent_projects(state: &AppState) -> Vec<Recent> {
    let settings = &state.settings;
    let open = state.project.folder();
    let others = settings.recent.iter().filter(|r| Some(r.as_path()) != open);
    let recent = others.map(|folder| {
        let mut name = name_of(folder);
        if settings.unsaved.contains(folder) {
            name.push_str(" (not saved)");
        }
        let open = library::Command::OpenProject(folder.clone());
        (name, folder.display().to_string(), open)
    });
    recent.collect()
}

/// Recent models but the open one, latest first.
pub(crate) fn recent_models(state: &AppState) -> Vec<Recent> {
    let open = state.catalogue.model_path.as_ref();
    let models = state.settings.recent_models.iter();
    let recent = models
        .filter(|model| Some(&model.path) != open)
        .map(|model| {
            let command = library::Command::OpenModel(model.path.clone(), model.opening());
            (
                model.name.clone(),
                model.path.display().to_string(),
                command,
            )
        });
    recent.collect()
}

/// Returns the actions on a dictionary, for the menus and the palette.
pub(crate) fn dictionary_actions(
    state: &AppState,
    dictionary: &Dictionary,
) -> Vec<(String, Command)> {
    use dictionary::Command as Do;
    let id = dictionary.id;
    let mut list: Vec<(String, Command)> = vec![
        ("Evaluate…".to_owned(), Do::Evaluate(id).into()),
        ("Build index…".to_owned(), Do::BuildIndex(id).into()),
        (
            "Measure families".to_owned(),
            families::Command::Measure(id).into(),
        ),
        (
            "Score steering".to_owned(),
            families::Command::Score(id).into(),
        ),
        (
            "Measure correlations".to_owned(),
            families::Command::Correlate(id).into(),
        ),
        (
            "Measure facts".to_owned(),
            labels::Command::MeasureFacts(id).into(),
        ),
        ("Compare…".to_owned(), compare::Command::Show(id).into()),
        (
            "Export for SAELens, f32…".to_owned(),
            Do::PickExport(id, Target::SaeLens, Precision::F32).into(),
        ),
        (
            "Export for SAELens, f16…".to_owned(),
            Do::PickExport(id, Target::SaeLens, Precision::F16).into(),
        ),
        (
            "Export for sparsify…".to_owned(),
            Do::PickExport(id, Target::Sparsify, Precision::F32).into(),
        ),
        (
            "Export for dictionary_learning…".to_owned(),
            Do::PickExport(id, Target::DictionaryLearning, Precision::F32).into(),
        ),
    ];
    let transcodes = |loaded: &LoadedSae| loaded.sae.role.transcodes();
    if dictionary.load.ready().is_some_and(transcodes) {
        list.push((
            "Export for circuit-tracer…".to_owned(),
            Do::PickExport(id, Target::CircuitTracer, Precision::F32).into(),
        ));
    }
    let files = [
        ("Import labels…", labels::Command::PickImport(id)),
        ("Export labels…", labels::Command::PickExport(id)),
    ];
    list.extend(files.map(|(words, command)| (words.to_owned(), command.into())));
    list.extend(index_actions(state, dictionary));
    list.push((REMOVE.to_owned(), Do::Remove(id).into()));
    list
}

/// Returns the actions on a dictionary's index; none while it has none.
fn index_actions(state: &AppState, dictionary: &Dictionary) -> Vec<(String, Command)> {
    use dictionary::Command as Do;
    let id = dictionary.id;
    let mut list: Vec<(String, Command)> = Vec::new();
    if state.index_of(id).is_some() {
        list.push((
            "Label by facts".to_owned(),
            labels::Command::TakeFacts(id).into(),
        ));
        if let Some(feature) = state.selection.feature {
            list.push((
                format!("Ask a model about feature #{feature}…"),
                labels::Command::Question(id, feature).into(),
            ));
        }
        list.push((
            "Export features for Neuronpedia…".to_owned(),
            Do::PickView(id, Viewer::Neuronpedia).into(),
        ));
        list.push((
            "Export features for circuit-tracer…".to_owned(),
            Do::PickView(id, Viewer::CircuitTracer).into(),
        ));
        let strongest = Do::PickReport(id, Choice::Top(20));
        list.push((
            "Write a report of the 20 strongest features…".to_owned(),
            strongest.into(),
        ));
        let labelled: Vec<_> = state.project.labels(&dictionary.name).collect();
        if !labelled.is_empty() {
            let features = counted(labelled.len() as u64, "labelled feature");
            let words = format!("Write a report of {features}…");
            let these = labelled.into_iter().map(|(feature, _)| feature).collect();
            list.push((words, Do::PickReport(id, Choice::Listed(these)).into()));
        }
        if let Some(feature) = state.selection.feature {
            let words = format!("Write a report of feature #{feature}…");
            let this = Do::PickReport(id, Choice::Listed(vec![feature]));
            list.push((words, this.into()));
            let words = format!("Save the figures of feature #{feature} as SVG…");
            let figures = dictionary::Site::Figures(vec![feature]);
            list.push((words, Do::PickSite(id, figures).into()));
        }
        list.push((
            "Write a gallery of all features…".to_owned(),
            Do::PickSite(id, dictionary::Site::Gallery).into(),
        ));
    }
    list
}

/// Draws the actions on a dictionary as entries of a menu.
pub(crate) fn actions_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    dictionary: &Dictionary,
    commands: &mut Commands,
) {
    ui.set_min_width(240.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (words, command) in dictionary_actions(state, dictionary) {
        // What takes something away stands apart.
        if words == REMOVE {
            ui.separator();
        }
        if ui.button(words).clicked() {
            commands.send(command);
            ui.close();
        }
    }
}

/// Returns the address of a dictionary's features on Neuronpedia, if SAELens's registry names it.
pub(crate) fn neuronpedia(sae: &Sae) -> Option<String> {
    let id = sae.provenance.other.get("neuronpedia_id")?.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let is_place = !id.is_empty() && id.chars().all(plain);
    is_place.then(|| format!("https://www.neuronpedia.org/{id}"))
}
