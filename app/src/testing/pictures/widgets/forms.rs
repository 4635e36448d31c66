//! Draws the sample of forms.

use egui::Ui;

use super::strings;
use crate::theme::icons;
use crate::widgets::form;
use crate::widgets::hook_picker::HookPicker;
use crate::widgets::settings_form::{Field, Kind};

/// Draws a form of settings, its fold and its buttons.
pub(super) fn settings_form(ui: &mut Ui) {
    let variants = strings(&["topk", "jump_relu"]);
    let plain = Field {
        key: "k",
        label: "k",
        unit: "features",
        help: "Active features per token",
        default: "32",
        origin: "default",
        kind: Kind::Number,
        error: None,
    };
    let rows = [
        (plain, "32"),
        (
            Field {
                key: "lr",
                label: "Learning rate",
                unit: "",
                default: "3e-4",
                ..plain
            },
            "1e-3",
        ),
        (
            Field {
                key: "features",
                error: Some("is more than the 65,536 that fit into memory"),
                ..plain
            },
            "9000000",
        ),
        (
            Field {
                key: "variant",
                label: "Variant",
                unit: "",
                default: "topk",
                kind: Kind::Choice(&variants),
                ..plain
            },
            "topk",
        ),
        (
            Field {
                key: "tied",
                label: "Start encoder as decoder",
                unit: "",
                default: "false",
                kind: Kind::Switch,
                ..plain
            },
            "true",
        ),
        (
            Field {
                key: "name",
                label: "Name",
                unit: "",
                default: "",
                kind: Kind::Text,
                ..plain
            },
            "resid-2",
        ),
    ];
    for (field, value) in rows {
        field.ui(ui, value);
    }
    form_parts(ui);
}

fn form_parts(ui: &mut Ui) {
    let hook = form::Row {
        label: "Hook",
        ..form::Row::default()
    };
    hook.ui(ui, |ui, width| {
        let picker = HookPicker {
            salt: "picture",
            shown: "blocks.2.hook_resid_post",
            default: None,
        };
        picker.ui(ui, width, Vec::new).0
    });
    form::fold(ui, false, "More settings", "changed: Learning rate");
    ui.horizontal(|ui| {
        form::main_button(ui, false, icons::PLAY, "Start training");
        form::side_button(ui, false, "Copy for the command line");
        form::reason(ui, "Features: 9000000 is more than fits");
    });
}
