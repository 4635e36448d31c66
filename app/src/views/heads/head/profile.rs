//! Behaviour of a head in words, with the buttons that lead to its pattern and silence it.

use egui::{Label, RichText, Ui};
use umbra_core::heads::survey::{self, HeadRow, RULE, Role};
use umbra_core::ids::{Head, Layer};

use super::figures::measured;
use crate::state::AppState;
use crate::state::heads::name;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt, steering};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, mono, panel_title};
use crate::views::heads::map::{self, Figure};
use crate::widgets::{meaning, number};

/// Share of the attention on the first token from which the headline says so.
const RESTS: f64 = 0.25;

/// Draws the head's name, its role and the attention behind it, and the buttons; `by` says why it is shown where no person chose it.
pub(super) fn title_ui(
    ui: &mut Ui,
    state: &AppState,
    (head, by): ((Layer, Head), Option<&'static str>),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let row = map::row(state, head);
    let role = row.and_then(survey::role);
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title(format!("Head {}", name(head))));
        if let Some(role) = role {
            ui.label(panel_title(role.name())).on_hover_text(RULE);
        }
        if let Some(why) = by {
            let words = format!("shown first: {why}; choose another on the map");
            ui.label(caption(words).color(secondary));
        }
    });
    if let Some(row) = row {
        let mut words = map::profile(state, row);
        if let Some(role) = role {
            words = format!(
                "{}: {}",
                role.describe(),
                words.split(" · ").skip(1).collect::<String>()
            );
        }
        ui.add(Label::new(RichText::new(capital(&words)).color(secondary)).wrap());
        if let Some(words) = map::kept(state).and_then(|survey| rests(&survey.heads, row)) {
            let help = "Said of a head with a quarter or more of its attention on the first token, or the most of all heads";
            let label = Label::new(RichText::new(words).color(secondary)).wrap();
            ui.add(label).on_hover_text(help);
        }
    } else {
        sentence_ui(ui, state, head);
    }
    buttons_ui(ui, head, commands);
}

/// Says that a head rests on the first token, unless its role does.
fn rests(rows: &[HeadRow], row: &HeadRow) -> Option<String> {
    let all = measured(rows, row);
    let first = all.iter().find(|of| of.figure.key == "first")?;
    let says = first.value >= RESTS || first.rank == 1;
    let known = survey::role(row) == Some(Role::FirstToken);
    (says && !known).then(|| {
        let share = number::percent(first.value);
        let (rank, of) = (first.rank, first.of);
        format!(
            "Rests on the first token with {share} of its attention (rank {rank} of {of} heads)"
        )
    })
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Draws the figures of the head's attention on the sentence in Prompt, where no survey tells more.
fn sentence_ui(ui: &mut Ui, state: &AppState, (layer, head): (Layer, Head)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(glance) = map::glance(state, layer, head) else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        for figure in Figure::OF_ATTENTION {
            let value = figure
                .of_glance(glance)
                .map_or_else(String::new, number::number);
            let help = figure.definition();
            ui.label(caption(figure.title()).color(secondary))
                .on_hover_text(help);
            let number = ui.label(mono(&value));
            meaning::figure(&number, figure.title(), help, &value);
            number.on_hover_text(help);
        }
    });
}

fn buttons_ui(ui: &mut Ui, (layer, head): (Layer, Head), commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        let help = "Shows what this head attends to in the sentence in Prompt";
        let button = ui.button("Show its attention pattern");
        if button.on_hover_text(help).clicked() {
            commands.send(navigation::Command::SelectHead(layer, head));
            commands.send(prompt::Command::Show(Side::Attention));
            commands.send(navigation::Command::Go(ViewId::Prompt));
        }
        let help = "Adds an edit in Steering that sets this head's output to zero";
        let button = ui.button("Silence this head in Steering");
        if button.on_hover_text(help).clicked() {
            commands.send(steering::Command::Silence(layer, head));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_that_a_head_rests_on_the_first_token_unless_that_is_its_role() {
        let row = |first: f64| HeadRow {
            first,
            ..HeadRow::default()
        };
        let said = |rows: &[f64], at: usize| {
            let rows: Vec<HeadRow> = rows.iter().map(|first| row(*first)).collect();
            rests(&rows, &rows[at])
        };
        let words = said(&[0.5, 0.3, 0.1], 1).unwrap();
        assert!(words.contains("rank 2 of 3 heads"), "{words}");
        assert_eq!(said(&[0.5, 0.3, 0.1], 2), None);
        assert!(said(&[0.1, 0.05], 0).is_some(), "the most of all");
        assert_eq!(said(&[0.9, 0.3], 0), None, "its role says so");
    }
}
