//! The right-click menu of a widget, opened by the pointer or, on the widget that has the focus, by the menu key or Shift+F10.

use egui::containers::menu::menu_style;
use egui::{
    Align, Context, Id, Key, Layout, Modifiers, Popup, PopupCloseBehavior, PopupKind, Pos2, Rect,
    Response, SetOpenCommand, Ui,
};

use crate::theme::space;

/// Whether the keyboard asks for the menu of what has the focus.
pub(crate) fn asked_by_key(ctx: &Context) -> bool {
    ctx.input_mut(|input| {
        input.consume_key(Modifiers::SHIFT, Key::F10)
            || input.consume_key(Modifiers::NONE, Key::Menu)
    })
}

/// Where the pointer asks for the menu of what is seen of a widget. Pieces within it need no menu of their own; of nested widgets that ask, the one
/// that asks first, which is drawn first and lies inside, gets it.
pub(crate) fn asked_by_pointer(response: &Response) -> Option<Pos2> {
    let ctx = &response.ctx;
    let at = ctx.input(|input| {
        let asked = input.pointer.secondary_clicked();
        asked.then(|| input.pointer.interact_pos()).flatten()
    })?;
    let inside = response.interact_rect.contains(at);
    if !inside || ctx.layer_id_at(at) != Some(response.layer_id) {
        return None;
    }
    let frame = ctx.cumulative_frame_nr();
    let answered = Id::unique("menu asked in frame");
    let before = ctx.data(|data| data.get_temp::<u64>(answered));
    (before != Some(frame)).then(|| {
        ctx.data_mut(|data| data.insert_temp(answered, frame));
        at
    })
}

/// Shows the menu of `response`; returns whether it was asked for in this frame.
pub(crate) fn context(response: &Response, content: impl FnOnce(&mut Ui)) -> bool {
    let focused = response.has_focus().then_some(response.id);
    context_within(response, focused, content)
}

/// Draws the menu for a widget of which a piece may have the focus: `focused` is that piece, or the widget itself.
pub(crate) fn context_within(
    response: &Response,
    focused: Option<Id>,
    content: impl FnOnce(&mut Ui),
) -> bool {
    let by_key = focused.filter(|_| asked_by_key(&response.ctx));
    let at = asked_by_pointer(response)
        .or_else(|| by_key.map(|_| middle(response.rect, response.interact_rect)));
    let ask = Ask {
        at,
        by_key,
        close: response.clicked(),
    };
    let id = Popup::default_response_id(response);
    popup(id, response, ask, content);
    at.is_some()
}

/// Wish for a menu in the input of this frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ask {
    /// Open it here.
    pub(crate) at: Option<Pos2>,
    /// The widget on which a key opens it: its first entry gets the focus, which returns to the widget.
    pub(crate) by_key: Option<Id>,
    /// Close it.
    pub(crate) close: bool,
}

/// A point of what is seen of a widget.
fn middle(whole: Rect, seen: Rect) -> Pos2 {
    if seen.is_positive() { seen } else { whole }.center()
}

/// State of an open menu.
#[derive(Debug, Clone, Copy, Default)]
struct Opened {
    at: Pos2,
    /// Its first entry is yet to get the focus.
    enters: bool,
    /// The widget to which the focus returns when it closes.
    returns: Option<Id>,
}

/// Shows the menu `id` of the widget `of`; one that is higher than the window scrolls.
pub(crate) fn popup(id: Id, of: &Response, ask: Ask, content: impl FnOnce(&mut Ui)) {
    let ctx = &of.ctx;
    let place = id.with("opened");
    let kept = ctx.data(|data| data.get_temp::<Opened>(place));
    let opened = ask.at.map(|at| Opened {
        at,
        enters: ask.by_key.is_some(),
        returns: ask.by_key,
    });
    let Some(mut opened) = opened.or(kept) else {
        return;
    };
    let set = match (ask.at, ask.close) {
        (Some(_), _) => Some(SetOpenCommand::Bool(true)),
        (None, true) => Some(SetOpenCommand::Bool(false)),
        (None, false) => None,
    };
    let shown = Popup::new(id, ctx.clone(), opened.at, of.layer_id)
        .anchor_widget(of.id)
        .kind(PopupKind::Menu)
        .layout(Layout::top_down_justified(Align::Min))
        .style(menu_style)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .open_memory(set)
        .show(|ui| {
            let most = ctx.content_rect().height() - 2.0 * space::GROUP;
            egui::ScrollArea::vertical()
                .max_height(most)
                .min_scrolled_height(most)
                .show(ui, content);
            !ui.is_sizing_pass()
        });
    let is_open = Popup::is_id_open(ctx, id);
    if let Some(drawn) = shown.filter(|shown| shown.inner)
        && opened.enters
    {
        let layer = drawn.response.layer_id;
        let first = ctx.viewport(|viewport| {
            let widgets = &viewport.this_pass.widgets;
            widgets
                .get_layer(layer)
                .find(|w| w.enabled && w.sense.is_focusable())
                .map(|w| w.id)
        });
        if let Some(first) = first {
            ctx.memory_mut(|memory| memory.request_focus(first));
            opened.enters = false;
        }
    }
    if is_open {
        ctx.data_mut(|data| data.insert_temp(place, opened));
    } else {
        ctx.data_mut(|data| data.remove_temp::<Opened>(place));
        if let Some(widget) = opened.returns {
            ctx.memory_mut(|memory| memory.request_focus(widget));
        }
    }
}
