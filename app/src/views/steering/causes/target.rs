//! Choice of the target: the next tokens of the text as buttons, one for its logit and a second one for the difference, and the loss.

use egui::{Button, RichText, Ui};
use umbra_core::causes::Target;
use umbra_core::ids::TokenId;

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::attributed::Command;
use crate::theme::{Theme, caption};
use crate::widgets::number::percent;

/// Draws the buttons; returns another target, as it is written, if one was chosen.
pub(super) fn target_ui(
    ui: &mut Ui,
    state: &AppState,
    (text, target): (&str, &str),
    commands: &mut Commands,
) -> Option<String> {
    let model = &state.model()?.model;
    let panel = &state.steering.causes.attributed;
    let of = (text.to_owned(), model.fingerprint().to_owned());
    if panel.next_of.as_ref() != Some(&of) && !panel.next.is_loading() && !text.trim().is_empty() {
        commands.send(Command::Next(text.to_owned()));
    }
    let now = Target::parse(target, model.codec()).ok();
    let chosen: Vec<TokenId> = (now.iter())
        .flat_map(|target| target.tokens())
        .map(|(token, _)| token)
        .collect();
    let mut next = None;
    ui.horizontal_wrapped(|ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(caption("Next token").color(secondary));
        for one in panel.next.ready().into_iter().flat_map(|next| next.iter()) {
            let token = one.text.replace('\n', "⏎").replace('\t', "⇥");
            let share = percent(f64::from(one.probability));
            let words = RichText::new(format!("“{token}” {share}"));
            let button = ui.add(Button::new(words).selected(chosen.contains(&one.id)));
            let help = "Click one token for its logit, a second one for the difference of both";
            if button.on_hover_text(help).clicked() {
                next = Some(clicked(now, one.id));
            }
        }
        let is_loss = now == Some(Target::Loss);
        let button = ui.add(Button::new("Loss of the text").selected(is_loss));
        let help = "Mean cross-entropy in nats of the predictions from position 1 on";
        if button.on_hover_text(help).clicked() {
            next = Some((!is_loss).then_some(Target::Loss));
        }
    });
    next.map(|target| target.map_or(String::new(), |target| target.written(model.codec())))
}

/// Returns the target after a click on a token: its logit, the difference once there are two, what is left once it was in it.
fn clicked(now: Option<Target>, token: TokenId) -> Option<Target> {
    match now {
        Some(Target::Logit(right)) if right == token => None,
        Some(Target::Difference { right, wrong }) if right == token => Some(Target::Logit(wrong)),
        Some(Target::Difference { right, wrong }) if wrong == token => Some(Target::Logit(right)),
        Some(Target::Logit(right) | Target::Difference { right, .. }) => Some(Target::Difference {
            right,
            wrong: token,
        }),
        Some(Target::Loss) | None => Some(Target::Logit(token)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_choose_a_logit_then_a_difference_and_take_it_back() {
        let [a, b, c] = [1, 2, 3].map(TokenId);
        let two = |right, wrong| Some(Target::Difference { right, wrong });
        assert_eq!(clicked(None, a), Some(Target::Logit(a)));
        assert_eq!(clicked(Some(Target::Loss), a), Some(Target::Logit(a)));
        assert_eq!(clicked(Some(Target::Logit(a)), b), two(a, b));
        assert_eq!(clicked(Some(Target::Logit(a)), a), None);
        assert_eq!(clicked(two(a, b), c), two(a, c));
        assert_eq!(clicked(two(a, b), b), Some(Target::Logit(a)));
        assert_eq!(clicked(two(a, b), a), Some(Target::Logit(b)));
    }
}
