//! The share of heads with several roles over the model, and its agreement with the person's verdicts.

use egui::Ui;
use umbra_core::heads::roles::{Agreement, LayerRoles, ShareOfHeads, share_of_heads};
use umbra_core::ids::Layer;
use umbra_core::project::{HeadVerdict, Verdict};

use crate::memo::Memo;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::roles::Studied;
use crate::state::requests::Commands;
use crate::state::requests::heads::roles::Command;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption};
use crate::widgets::number::percent;

/// Share and agreement.
#[derive(Debug, Default)]
struct Measured {
    shares: Vec<ShareOfHeads>,
    agreement: Option<Agreement>,
    layers: usize,
}

/// The measure that was made last.
#[derive(Debug, Default)]
pub(super) struct Share {
    memo: Memo<(u64, Vec<DictionaryId>), Measured>,
}

impl Share {
    /// Draws a line for each criterion, and one for the agreement.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let all = dictionaries(state);
        let roles = &state.heads.roles;
        let missing: Vec<DictionaryId> = (all.iter().copied())
            .filter(|id| roles.study(*id).is_none())
            .collect();
        let layers = all.len();
        let measured = self
            .memo
            .get((roles.revision, all), |(_, all)| measure(state, all));
        ui.label(body_strong("Polysemantic heads of the model"));
        for share in &measured.shares {
            let line = ui.label(line(share));
            line.on_hover_text("Heads with several roles are the polysemantic ones that the evidence shows; those that are not found to have one role are the most there can be. By chance: as often as the rule says several roles of ten random live features. Intervals of 95 % by bootstrap");
        }
        if let Some(agreement) = &measured.agreement {
            let kappa = agreement
                .kappa
                .map_or_else(|| "–".to_owned(), |kappa| format!("{kappa:.2}"));
            let words = format!(
                "Agreement with your verdicts on {}: {}, Cohen's kappa {kappa}",
                heads(agreement.heads),
                percent(agreement.share)
            );
            ui.label(words).on_hover_text(table(agreement));
        }
        let studying =
            (missing.iter()).any(|id| roles.studies.get(id).is_some_and(Load::is_loading));
        if missing.is_empty() || studying {
            return;
        }
        ui.horizontal_wrapped(|ui| {
            let help = "Reads the held-out text for each layer that has a dictionary of attn.hook_z and is not studied yet";
            if ui.button("Study all layers").on_hover_text(help).clicked() {
                commands.send(Command::Study(missing.clone()));
            }
            let words = format!("{} of {layers} layers are studied", measured.layers);
            ui.label(caption(words).color(secondary));
        });
    }
}

/// Returns the dictionary of each layer that has one.
fn dictionaries(state: &AppState) -> Vec<DictionaryId> {
    let layers = state
        .model()
        .map_or(0, |loaded| loaded.model.config().layers);
    let layers = (0..layers).map(Layer::from);
    layers
        .filter_map(|layer| state.z_dictionary(layer))
        .map(|dictionary| dictionary.id)
        .collect()
}

fn measure(state: &AppState, all: &[DictionaryId]) -> Measured {
    let roles = &state.heads.roles;
    let studied = all.iter().filter_map(|id| roles.study(*id));
    let layers: Vec<&LayerRoles> = studied.map(Studied::roles).collect();
    let verdict = |own: &HeadVerdict| {
        let layer = layers.iter().find(|roles| roles.layer == own.layer)?;
        let head = layer.heads.get(own.head.index())?;
        Some((head.verdict, own.verdict?))
    };
    let pairs: Vec<_> = roles.own.values().filter_map(verdict).collect();
    Measured {
        shares: share_of_heads(&layers, 0),
        agreement: Agreement::new(&pairs),
        layers: layers.len(),
    }
}

fn heads(count: usize) -> String {
    crate::widgets::number::counted(count as u64, "head")
}

fn line(share: &ShareOfHeads) -> String {
    let by = share
        .criterion
        .map_or("both criteria", |criterion| criterion.phrase());
    let over_text = share.over_text.map_or_else(String::new, |(low, high)| {
        format!(", {} to {} over the text", percent(low), percent(high))
    });
    format!(
        "By {by}: {} of {} have several roles ({}; {} to {} over heads{over_text}; by chance {}); {} are not found to have one role",
        share.counts[0],
        heads(share.heads),
        percent(share.several),
        percent(share.over_heads.0),
        percent(share.over_heads.1),
        percent(share.by_chance),
        percent(share.not_one)
    )
}

/// Returns the counts by measured verdict and own verdict.
fn table(agreement: &Agreement) -> String {
    let names = Verdict::ALL.map(Verdict::name);
    let mut lines = Vec::new();
    for (measured, row) in names.iter().zip(agreement.counts) {
        for (own, count) in names.iter().zip(row).filter(|(_, count)| *count > 0) {
            lines.push(format!(
                "{}: measured {measured}, yours {own}",
                heads(count)
            ));
        }
    }
    lines.join("\n")
}
