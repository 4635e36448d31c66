//! Roles of a head: is it polysemantic? The verdict with its reasons, the matrix and clusters that it rests on, the person's own verdict, and the share of such
//! heads over the model.

mod clusters;
mod matrix;
mod model;
mod own;

use egui::{Button, Label, RichText, Ui};
use umbra_core::heads::roles::{
    Criterion, DEFINITIONS, EXPLAINED, HeadRoles, JOINED, RULE, TOKENS,
};
use umbra_core::heads::survey;
use umbra_core::ids::{Head, Layer};

use super::features::tall_ui;
use crate::state::heads::roles::Studied;
use crate::state::requests::Commands;
use crate::state::{AppState, heads};
use crate::theme::{Theme, body_strong, caption, icon, icons, mono, panel_title, space};
use crate::views::heads::map;
use crate::widgets::{meaning, number};

/// State of the panel.
#[derive(Debug)]
pub(super) struct Panel {
    criterion: Criterion,
    clusters: clusters::Table,
    own: own::Own,
    model: model::Share,
}

impl Default for Panel {
    fn default() -> Self {
        Self {
            criterion: Criterion::Directions,
            clusters: clusters::Table::default(),
            own: own::Own::default(),
            model: model::Share::default(),
        }
    }
}

/// Width from which the clusters stand beside the matrix.
const BESIDE: f32 = 980.0;

/// Width of the matrix beside the clusters, whose cells are too small for numbers that could run into each other.
const MATRIX: f32 = 430.0;

/// Draws the panel.
pub(super) fn roles_ui(
    ui: &mut Ui,
    state: &AppState,
    (layer, head): (Layer, Head),
    panel: &mut Panel,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(dictionary) = state.z_dictionary(layer) else {
        return;
    };
    ui.label(panel_title("Roles"));
    let studied = state.heads.roles.study(dictionary.id);
    match studied.and_then(|studied| Some((studied, studied.roles().heads.get(head.index())?))) {
        None => {
            let words = format!(
                "Is the head polysemantic? A study of the layer judges it on {} of text: do its features write alike, do they peak on the same tokens, and does the model need the head on the tokens of each group?",
                number::counted(TOKENS, "token")
            );
            ui.label(RichText::new(words).color(secondary));
        }
        Some((studied, roles)) => {
            verdict_ui(ui, state, (layer, head), roles);
            evidence_ui(ui, (studied, roles), panel);
        }
    }
    ui.add_space(space::CONTROL);
    panel.own.ui(ui, state, (layer, head), commands);
    ui.add_space(space::CONTROL);
    panel.model.ui(ui, state, commands);
}

/// Draws the verdict with the share of the output that it rests on, its reasons and its false positives.
fn verdict_ui(ui: &mut Ui, state: &AppState, head: (Layer, Head), roles: &HeadRoles) {
    let theme = Theme::from_ui(ui);
    let secondary = theme.ink.secondary;
    let rule = format!("{RULE}. {JOINED}.");
    let why = roles.why();
    let (verdict, reasons) = why.split_once(": ").unwrap_or((&why, ""));
    ui.horizontal_wrapped(|ui| {
        ui.label(body_strong(verdict)).on_hover_text(&rule);
        let label = "Output explained by the ten features";
        let help = definition("explained");
        let value = number::percent(roles.parts.listed);
        ui.label(caption(label).color(secondary))
            .on_hover_text(help);
        let number = ui.label(mono(&value));
        meaning::figure(&number, label, help, &value);
        number.on_hover_text(help);
    });
    if roles.parts.is_little() {
        let words = format!(
            "That is less than {}: these features say little about what the head writes",
            number::percent(EXPLAINED)
        );
        ui.horizontal_top(|ui| {
            ui.label(icon(icons::WARNING).color(theme.warning));
            ui.add(Label::new(words).wrap());
        });
    }
    let reasons = format!("In {}, {reasons}", heads::name(head));
    ui.label(reasons).on_hover_text(&rule);
    if let Some(role) = map::row(state, head).and_then(survey::role) {
        ui.label(surveyed(role));
    }
    let found = roles.false_positives;
    let words = format!(
        "On ten random live features of the layer, the rule says one role in {} and several roles in {} of {} draws. The fewer these are, the more a verdict on the head's own features means",
        found.one, found.several, found.draws
    );
    ui.label(caption(words).color(secondary))
        .on_hover_text(definition("false_positives"));
}

/// Says how the verdict stands to the role that the survey names.
fn surveyed(role: survey::Role) -> String {
    let name = role.name().to_lowercase();
    let (article, does) = match role {
        survey::Role::Induction => ("an", "copy"),
        survey::Role::DuplicateToken
        | survey::Role::PreviousToken
        | survey::Role::SameToken
        | survey::Role::FirstToken => ("a", "act on"),
    };
    format!(
        "The survey names it {article} {name}: one mechanism can {does} many tokens, so different tokens alone are no second role"
    )
}

/// Draws the parts of the output, the matrix and the clusters.
fn evidence_ui(ui: &mut Ui, (studied, roles): (&Studied, &HeadRoles), panel: &mut Panel) {
    let parts = roles.parts;
    let help = definition("explained");
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        for (label, share) in [
            ("Output explained by other features", parts.others),
            ("by the decoder's bias", parts.bias),
            ("left to the error", parts.error),
        ] {
            let value = number::percent(share);
            ui.label(caption(label).color(secondary))
                .on_hover_text(help);
            let number = ui.label(mono(&value));
            meaning::figure(&number, label, help, &value);
            number.on_hover_text(help);
        }
    });
    ui.add_space(space::CHIP);
    ui.horizontal_wrapped(|ui| {
        ui.label("Cluster by");
        for criterion in Criterion::ALL {
            let button = Button::selectable(panel.criterion == criterion, criterion.phrase());
            if ui.add(button).on_hover_text(criterion.distance()).clicked() {
                panel.criterion = criterion;
            }
        }
    });
    let judged = &roles.by[panel.criterion as usize];
    ui.label(caption(cut(judged.cut, studied)).color(secondary));
    ui.add_space(space::CHIP);
    let of = (roles, judged);
    let all = ui.available_width();
    let rows = judged.clusters.len();
    if all < BESIDE {
        ui.scope(|ui| {
            ui.set_max_width(MATRIX.min(all));
            matrix::matrix_ui(ui, of);
        });
        ui.add_space(space::CONTROL);
        tall_ui(ui, (all, rows), |ui| panel.clusters.ui(ui, of));
        return;
    }
    ui.horizontal_top(|ui| {
        let height = ui.available_height();
        ui.allocate_ui(egui::vec2(MATRIX, height), |ui| {
            ui.vertical(|ui| matrix::matrix_ui(ui, of));
        });
        ui.add_space(space::GROUP);
        let width = all - MATRIX - space::GROUP;
        tall_ui(ui, (width, rows), |ui| panel.clusters.ui(ui, of));
    });
}

/// Says where the clusters are cut, and on what.
fn cut(cut: Option<f64>, studied: &Studied) -> String {
    let roles = studied.roles();
    let on = format!(
        "{} read, heads ablated in {}",
        number::counted(roles.tokens, "token"),
        number::counted(roles.sampled_rows as u64, "row")
    );
    match cut {
        Some(cut) => format!(
            "Average linkage, cut at distance {cut}, the loosest at which random features rarely look like a verdict; {on}"
        ),
        None => format!(
            "No cut keeps random features from looking like a verdict, so this criterion cannot tell; {on}"
        ),
    }
}

/// Returns the definition of a figure.
fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}
