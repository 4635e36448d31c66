//! On which tokens and positions the feature fires: tokens by mean activation and by count, the tokens before, the profile by position.

use egui::{Label, Ui};
use umbra_core::features::{Counting, Detail, LEAST_COUNT, TokenUse, Uses};

use crate::theme::{Hue, Theme, caption, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::number::{count, number, percent};

/// Tokens of each list shown.
const SHOWN: usize = 10;

/// Height of the profile.
const HEIGHT: f32 = 120.0;

const BY_COUNT: &str =
    "Tokens of the index's text on which the feature is active most often, with the number";
const BEFORE: &str = "Tokens that stand right before tokens on which the feature is active, most frequent first, with the number";
const PROFILE: &str = "Share of the counted tokens of each part of the row on which the feature is active. A flat line means that the position does not matter";

/// Quantity of a list of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Mean,
    Count,
}

/// Draws the lists, where the index has them.
pub(super) fn uses_ui(ui: &mut Ui, detail: &Detail) {
    let Some(uses) = &detail.uses else { return };
    let by_mean = format!(
        "Tokens of the index's text with the largest mean activation where the feature is active on them, among those with at least {LEAST_COUNT} such tokens"
    );
    list_ui(
        ui,
        ("Top tokens by mean", &by_mean),
        (&uses.by_mean, By::Mean),
    );
    list_ui(
        ui,
        ("Top tokens by count", BY_COUNT),
        (&uses.by_count, By::Count),
    );
    list_ui(ui, ("Tokens before", BEFORE), (&uses.preceding, By::Count));
    if uses.counting == Counting::Sketched {
        let words = "Candidates came from a sketch of bounded size and were counted exactly; a token outside them is missing";
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(secondary)).wrap());
        ui.add_space(space::CONTROL);
    }
    profile_ui(ui, uses);
}

fn list_ui(ui: &mut Ui, (name, help): (&str, &str), (tokens, by): (&[TokenUse], By)) {
    if tokens.is_empty() {
        return;
    }
    ui.label(panel_title(name)).on_hover_text(help);
    let bar = |token: &TokenUse| {
        let (value, text) = match by {
            By::Mean => (token.mean, number(token.mean)),
            By::Count => (token.count as f64, count(token.count)),
        };
        let hover = format!(
            "Token {}: active on {}, mean activation {}",
            token.id,
            count(token.count),
            number(token.mean)
        );
        Bar::new(token.text.as_str(), value).text(text).hover(hover)
    };
    let bars: Vec<Bar> = tokens.iter().take(SHOWN).map(bar).collect();
    Bars::new(name, &bars, Fill::Hue(Hue::Activation))
        .tokens()
        .label_width(120.0)
        .definition(help)
        .show(ui);
    ui.add_space(space::GROUP);
}

fn profile_ui(ui: &mut Ui, uses: &Uses) {
    if uses.by_position.is_empty() {
        return;
    }
    ui.label(panel_title("By position")).on_hover_text(PROFILE);
    let part = uses.part.max(1) as f64;
    let shares = uses.by_position.iter().enumerate();
    let point = |(at, share): (usize, &f64)| [(at as f64 + 0.5) * part, *share];
    let points: Vec<[f64; 2]> = shares.map(point).collect();
    let series = [Series {
        name: "",
        colour: Theme::from_ui(ui).hue(Hue::Activation),
        points: &points,
    }];
    CurvePlot {
        name: "By position",
        y: "",
        x: "position in the row",
        series: &series,
        faint: &[],
        height: HEIGHT,
        group: None,
        format: percent,
        definition: PROFILE,
    }
    .ui(ui);
    let words = format!(
        "{} of its active tokens are the first that count of a document or row",
        percent(uses.first_token)
    );
    ui.add(Label::new(caption(words).color(Theme::from_ui(ui).ink.secondary)).wrap());
    ui.add_space(space::GROUP);
}
