//! Chooses a hook by its full name from a list that is searched by typing.

use egui::{
    Button, ComboBox, Key, Label, PopupCloseBehavior, Response, ScrollArea, TextEdit, Ui, vec2,
};
use umbra_core::ids::HookPoint;

use crate::theme::{Theme, caption, mono, space};

/// Greatest height of the list.
const LIST: f32 = 264.0;

/// Least width of the list, which holds the longest names.
const WIDTH: f32 = 288.0;

/// A list of hooks behind the chosen one.
#[derive(Debug)]
pub(crate) struct HookPicker<'a> {
    /// Tells it from others on the screen.
    pub(crate) salt: &'a str,
    /// Text of the choice.
    pub(crate) shown: &'a str,
    /// Entry that leaves the choice to something else, if there is one.
    pub(crate) default: Option<&'a str>,
}

/// Hook that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picked {
    /// The default.
    Default,
    /// This hook.
    Hook(HookPoint),
}

impl HookPicker<'_> {
    /// Draws it as wide as `width`; `hooks` lists the choices once it is open.
    pub(crate) fn ui(
        &self,
        ui: &mut Ui,
        width: f32,
        hooks: impl FnOnce() -> Vec<HookPoint>,
    ) -> (Response, Option<Picked>) {
        let mut picked = None;
        let typed = ui.make_persistent_id(("hook typed", self.salt));
        let drawn = ComboBox::from_id_salt(("hook", self.salt))
            .selected_text(self.shown)
            .width(width)
            .height(LIST + 4.0 * space::CONTROL_ROW)
            .truncate()
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .show_ui(ui, |ui| picked = self.list_ui(ui, typed, hooks()));
        if drawn.inner.is_none() {
            ui.data_mut(|data| {
                data.remove_temp::<String>(typed);
                data.remove_temp::<bool>(typed.with("focused"));
            });
        }
        (drawn.response, picked)
    }

    fn list_ui(&self, ui: &mut Ui, typed: egui::Id, hooks: Vec<HookPoint>) -> Option<Picked> {
        let mut text = ui
            .data(|data| data.get_temp::<String>(typed))
            .unwrap_or_default();
        ui.set_min_width(WIDTH);
        let field = TextEdit::singleline(&mut text)
            .hint_text("Find a hook: layer, place")
            .desired_width(f32::INFINITY);
        let field = ui.add(field);
        field.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find a hook");
            info.current_text_value = Some(text.clone());
            info
        });
        focus(ui, &field, typed.with("focused"));
        let names = hooks.into_iter().map(|hook| (hook, hook.to_string()));
        let found: Vec<_> = names.filter(|(_, name)| matches(name, &text)).collect();
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let mut picked = None;
        if entered && let Some((first, _)) = found.first() {
            picked = Some(Picked::Hook(*first));
        }
        ui.data_mut(|data| data.insert_temp(typed, text));
        if let Some(default) = self.default {
            let entry = Button::selectable(self.shown == default, default).truncate();
            if ui
                .add(entry.min_size(vec2(ui.available_width(), 0.0)))
                .clicked()
            {
                picked = Some(Picked::Default);
            }
        }
        picked = self.found_ui(ui, &found).or(picked);
        if picked.is_some() {
            ui.close();
        }
        picked
    }

    fn found_ui(&self, ui: &mut Ui, found: &[(HookPoint, String)]) -> Option<Picked> {
        if found.is_empty() {
            let secondary = Theme::from_ui(ui).ink.secondary;
            let words = "No hook has this in its name";
            ui.add(Label::new(caption(words).color(secondary)));
            return None;
        }
        let mut picked = None;
        let area = ScrollArea::vertical()
            .max_height(LIST)
            .min_scrolled_height(LIST);
        ui.spacing_mut().item_spacing.y = 0.0;
        area.show_rows(ui, space::TABLE_ROW, found.len(), |ui, rows| {
            for (hook, name) in &found[rows] {
                let entry = Button::selectable(*name == self.shown, mono(name.as_str())).truncate();
                let size = vec2(ui.available_width(), space::TABLE_ROW);
                let response = ui.add(entry.min_size(size));
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
                if response.clicked() {
                    picked = Some(Picked::Hook(*hook));
                }
            }
        });
        picked
    }
}

/// Gives the field the focus as the list opens: the click that opens it would take the focus away again.
fn focus(ui: &Ui, field: &Response, had: egui::Id) {
    if ui.data(|data| data.get_temp(had)).unwrap_or(false) {
        return;
    }
    if field.has_focus() && !ui.input(|input| input.pointer.any_click()) {
        ui.data_mut(|data| data.insert_temp(had, true));
    } else {
        field.request_focus();
        ui.ctx().request_repaint();
    }
}

/// Whether `name` contains every word of `text`.
fn matches(name: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    text.split_whitespace()
        .all(|word| name.to_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;
    use umbra_core::ids::Site;

    use super::*;
    use crate::widgets::staged;

    fn picker() -> egui_kittest::Harness<'static, Option<Picked>> {
        let hooks =
            || (0..12).flat_map(|l| [Site::Z, Site::ResidPost].map(|s| HookPoint::block(l, s)));
        staged(
            move |ui, chosen: &mut Option<Picked>| {
                let shown = match chosen {
                    Some(Picked::Hook(hook)) => hook.to_string(),
                    _ => "the dictionary's".to_owned(),
                };
                let picker = HookPicker {
                    salt: "one",
                    shown: &shown,
                    default: Some("the dictionary's"),
                };
                let label = ui.label("Hook");
                let (response, picked) = picker.ui(ui, 200.0, || hooks().collect());
                response.labelled_by(label.id);
                *chosen = picked.or(*chosen);
            },
            None,
        )
    }

    #[test]
    fn words_find_a_hook_and_enter_takes_it() {
        let mut harness = picker();
        harness
            .get_by_role_and_label(egui::Role::ComboBox, "Hook")
            .click();
        harness.run();
        assert!(harness.get_by_label("Find a hook").is_focused());
        harness.event(egui::Event::Text("11 resid".to_owned()));
        harness.run();
        assert!(harness.query_by_label("blocks.0.attn.hook_z").is_none());
        harness.get_by_label("blocks.11.hook_resid_post");
        harness.key_press(Key::Enter);
        harness.run();
        let want = HookPoint::block(11, Site::ResidPost);
        assert_eq!(*harness.state(), Some(Picked::Hook(want)));
        assert!(harness.query_by_label("Find a hook").is_none());
    }

    #[test]
    fn a_click_takes_a_hook_or_the_default() {
        let mut harness = picker();
        for (name, want) in [
            (
                "blocks.0.hook_resid_post",
                Picked::Hook(HookPoint::block(0, Site::ResidPost)),
            ),
            ("the dictionary's", Picked::Default),
        ] {
            harness
                .get_by_role_and_label(egui::Role::ComboBox, "Hook")
                .click();
            harness.run();
            harness
                .get_by_role_and_label(egui::Role::Button, name)
                .click();
            harness.run();
            assert_eq!(*harness.state(), Some(want));
        }
    }
}
