//! Places on screen that the tour speaks of. The widget that is spoken of marks itself as it is drawn.

use egui::{Context, Id, Rect, Response};

/// A place that the tour speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Anchor {
    /// A feature that opens its page.
    Feature,
    /// The field of a feature's label.
    Label,
    /// The sentence in Prompt.
    Sentence,
    /// A cell of the grid of heads.
    Head,
    /// The button that runs the steering.
    Steer,
    /// The menu of help.
    Help,
    /// An entry of the rail, by its place.
    Screen(usize),
}

/// Identifies the wish for the focus.
fn asked() -> Id {
    Id::unique("anchor focus")
}

impl Anchor {
    fn id(self) -> Id {
        Id::unique("anchor").with(self)
    }

    /// Marks the widget that was just drawn; the first one of a frame counts.
    pub(crate) fn mark(self, response: &Response) {
        let wish = response.ctx.data(|data| data.get_temp::<Id>(asked()));
        if wish == Some(self.id()) && response.interact_rect.is_positive() {
            response.ctx.data_mut(|data| data.remove::<Id>(asked()));
            response.request_focus();
        }
        self.mark_at(&response.ctx, response.interact_rect);
    }

    /// Asks for the focus on the widget, the next time that it is drawn.
    pub(crate) fn ask_focus(self, ctx: &Context) {
        ctx.data_mut(|data| data.insert_temp(asked(), self.id()));
        ctx.request_repaint();
    }

    /// Marks a place of this frame; the first one counts.
    pub(crate) fn mark_at(self, ctx: &Context, rect: Rect) {
        if rect.is_positive() && self.found(ctx).is_none() {
            let pass = ctx.cumulative_pass_nr();
            ctx.data_mut(|data| data.insert_temp(self.id(), (pass, rect)));
        }
    }

    /// Returns the place that was marked in this frame.
    pub(crate) fn found(self, ctx: &Context) -> Option<Rect> {
        let marked = ctx.data(|data| data.get_temp::<(u64, Rect)>(self.id()));
        let (pass, rect) = marked?;
        (pass == ctx.cumulative_pass_nr()).then_some(rect)
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn the_first_mark_of_a_frame_counts_and_none_outlives_its_frame() {
        let mut harness = staged(
            |ui, (marks, seen): &mut (bool, Option<Rect>)| {
                for name in ["one", "two"] {
                    let button = ui.button(name);
                    if *marks {
                        Anchor::Label.mark(&button);
                    }
                }
                *seen = Anchor::Label.found(ui.ctx());
                assert_eq!(Anchor::Head.found(ui.ctx()), None);
            },
            (true, None),
        );
        harness.run();
        let one = harness.get_by_label("one").rect();
        assert_eq!(harness.state().1, Some(one));
        harness.state_mut().0 = false;
        harness.run();
        assert_eq!(harness.state().1, None);
    }
}
