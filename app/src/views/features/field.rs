//! The filter field: its text, what may be written next, and where a mistake is.

use egui::text::{CCursor, CCursorRange, LayoutJob, TextFormat};
use egui::{
    Area, Button, Frame, Id, Key, Modifiers, Order, Response, Stroke, TextBuffer, TextEdit, Ui,
    WidgetInfo, vec2,
};
use umbra_core::features::filter::{Columns, Completion, Fault, Filter, complete};

use crate::memo::Memo;
use crate::theme::{Theme, caption, mono, size, space};
use crate::widgets::focus as keyboard;

/// Completions shown at most.
const OFFERS: usize = 9;

/// Width of the list.
const WIDTH: f32 = 420.0;

/// Number of letters of a completion's meaning in the list.
const HELP: usize = 52;

/// Syntax in short, on hover.
const HELP_TEXT: &str = "Words search labels, the text of examples, and promoted and suppressed tokens; fires:\"king\", text:, promotes:, suppresses: and label: look in one place. #12 and #3,40-49 find features by \
                         number. Figures are compared: density<1e-3, max>=5, kurtosis=3..10. head=2.3, family=local, fact:induction, is:labelled and is:dead keep features of a kind. Join conditions by and, or, \
                         not and parentheses";

/// The filter field.
#[derive(Debug, Default)]
pub(super) struct FilterField {
    parsed: Memo<String, Result<Filter, Fault>>,
    /// The text that could be read last, and its filter.
    good: (String, Filter),
    /// Completion that the keyboard stands on.
    marked: Option<usize>,
    /// Text at which the list was closed.
    closed: Option<String>,
    /// Place of the cursor in the text, in bytes.
    cursor: usize,
    /// Whether the pointer is over the list.
    over: bool,
}

impl FilterField {
    fn id() -> Id {
        Id::unique("filter of features")
    }

    /// Reads the text of this frame.
    pub(super) fn follow(&mut self, text: &str) {
        if self.parsed.is_for(&text.to_owned()) {
            return;
        }
        let parsed = self.parsed.get(text.to_owned(), |text| Filter::parse(text));
        if let Ok(filter) = parsed {
            self.good = (text.to_owned(), filter.clone());
        }
    }

    /// The filter in force: that of the text, or of the last text without a mistake.
    pub(super) fn filter(&self) -> (&str, &Filter) {
        (&self.good.0, &self.good.1)
    }

    /// The mistake in the text.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.parsed.latest()?.as_ref().err()
    }

    /// Draws the field; `text` is what a person made of it.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        text: &mut String,
        (columns, width): (&Columns, f32),
    ) -> Response {
        let id = Self::id();
        let focused = ui.memory(|memory| memory.has_focus(id));
        let offers = self.offers(text, columns, focused);
        if focused {
            self.keys(ui, text, &offers);
        }
        let fault = self.fault().filter(|fault| fault.text == *text);
        let fault = fault.map(|fault| fault.at.clone());
        let mut layouter = |ui: &Ui, buffer: &dyn TextBuffer, _: f32| {
            let job = underlined(ui, buffer.as_str(), fault.clone());
            ui.painter().layout_job(job)
        };
        let edit = TextEdit::singleline(text)
            .id(id)
            .align(egui::Align2::LEFT_CENTER)
            .hint_text("king   #12   density<0.1% and fires:\"king\"")
            .desired_width(width)
            .lock_focus(!offers.is_empty())
            .layouter(&mut layouter);
        let field = ui.add_sized(vec2(width, space::CONTROL_ROW), edit);
        keyboard::search(&field);
        if let Some(state) = TextEdit::load_state(ui.ctx(), id)
            && let Some(range) = state.cursor.char_range()
        {
            let chars = range.primary.index;
            let byte = text.char_indices().nth(chars.into());
            self.cursor = byte.map_or(text.len(), |(byte, _)| byte);
        }
        if field.changed() {
            self.marked = None;
            self.closed = None;
        }
        if offers.is_empty() {
            self.over = false;
        } else {
            self.list_ui(ui, &field, text, &offers);
        }
        field.on_hover_text(HELP_TEXT)
    }

    /// Completions of the word that is written.
    fn offers(&self, text: &str, columns: &Columns, focused: bool) -> Vec<Completion> {
        let open = (focused || self.over) && self.closed.as_deref() != Some(text);
        if !open || !text.is_char_boundary(self.cursor.min(text.len())) {
            return Vec::new();
        }
        let at = self.cursor.min(text.len());
        let mut offers = complete(text, at, Some(columns));
        let begun = text[..at].ends_with([':', '=']);
        offers.retain(|offer| begun || !offer.replaces.is_empty());
        offers.truncate(OFFERS);
        offers
    }

    /// Arrows mark a completion, Tab takes it or the first, Enter the marked one, Esc closes the list.
    fn keys(&mut self, ui: &Ui, text: &mut String, offers: &[Completion]) {
        if offers.is_empty() {
            self.marked = None;
            return;
        }
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let last = offers.len() - 1;
        if pressed(Key::ArrowDown) {
            self.marked = Some(self.marked.map_or(0, |at| (at + 1).min(last)));
        }
        if pressed(Key::ArrowUp) {
            self.marked = self.marked.and_then(|at| at.checked_sub(1));
        }
        let marked = self.marked.map(|at| at.min(last));
        let taken = if pressed(Key::Tab) {
            marked.or(Some(0))
        } else {
            marked.filter(|_| pressed(Key::Enter))
        };
        if let Some(offer) = taken.and_then(|at| offers.get(at)) {
            self.take(ui, text, offer);
        } else if pressed(Key::Escape) {
            self.closed = Some(text.clone());
        }
    }

    /// Puts a completion into the text.
    fn take(&mut self, ui: &Ui, text: &mut String, offer: &Completion) {
        text.replace_range(offer.replaces.clone(), &offer.text);
        self.cursor = offer.replaces.start + offer.text.len();
        self.marked = None;
        let id = Self::id();
        let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
        let chars = text[..self.cursor].chars().count();
        let range = CCursorRange::one(CCursor::new(chars));
        state.cursor.set_char_range(Some(range));
        state.store(ui.ctx(), id);
        ui.memory_mut(|memory| memory.request_focus(id));
    }

    fn list_ui(&mut self, ui: &Ui, field: &Response, text: &mut String, offers: &[Completion]) {
        let mut taken = None;
        let list = Area::new(Self::id().with("completions"))
            .order(Order::Foreground)
            .fixed_pos(field.rect.left_bottom() + vec2(0.0, space::CHIP))
            .show(ui.ctx(), |ui| {
                let frame = Frame::popup(ui.style());
                taken = frame.show(ui, |ui| lines_ui(ui, offers, self.marked)).inner;
            });
        self.over = list.response.contains_pointer();
        if let Some(offer) = taken.and_then(|at| offers.get(at)) {
            self.take(ui, text, offer);
        }
    }
}

/// Draws the completions; returns the one that was clicked.
fn lines_ui(ui: &mut Ui, offers: &[Completion], marked: Option<usize>) -> Option<usize> {
    ui.set_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 0.0;
    let mut taken = None;
    for (i, offer) in offers.iter().enumerate() {
        if line_ui(ui, offer, marked == Some(i)).clicked() {
            taken = Some(i);
        }
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let keys = "Tab completes, arrows choose, Esc closes";
    ui.label(caption(keys).color(secondary));
    taken
}

fn line_ui(ui: &mut Ui, offer: &Completion, marked: bool) -> Response {
    let theme = Theme::from_ui(ui);
    let help: String = offer.help.chars().take(HELP).collect();
    let more = if help.len() < offer.help.len() {
        "…"
    } else {
        ""
    };
    let help = caption(format!("{help}{more}")).color(theme.ink.secondary);
    let words = mono(offer.text.trim_end_matches('"').trim_end());
    let button = Button::selectable(marked, (words, help))
        .truncate()
        .min_size(vec2(ui.available_width(), space::TABLE_ROW));
    let line = ui.add(button);
    let name = format!("Complete {}", offer.text);
    line.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, marked, &name));
    line.on_hover_text(&offer.help)
}

/// The text on one line, a mistake underlined.
fn underlined(ui: &Ui, text: &str, fault: Option<std::ops::Range<usize>>) -> LayoutJob {
    let theme = Theme::from_ui(ui);
    let font = egui::FontId::proportional(size::BODY);
    let plain = TextFormat::simple(font, theme.ink.primary);
    let mut job = LayoutJob {
        break_on_newline: false,
        ..LayoutJob::default()
    };
    job.wrap.max_width = f32::INFINITY;
    let parts = fault.and_then(|at| {
        let (before, rest) = text.split_at_checked(at.start)?;
        let (wrong, after) = rest.split_at_checked(at.end.checked_sub(at.start)?)?;
        Some((before, wrong, after))
    });
    let Some((before, wrong, after)) = parts else {
        job.append(text, 0.0, plain);
        return job;
    };
    let marked = TextFormat {
        underline: Stroke::new(1.5, theme.failure),
        ..plain.clone()
    };
    for (part, format) in [(before, plain.clone()), (wrong, marked), (after, plain)] {
        if !part.is_empty() {
            job.append(part, 0.0, format);
        }
    }
    job
}

/// The sentence below the field: the mistake, or what the index lacks.
pub(super) fn remark_ui(ui: &mut Ui, field: &FilterField, lacks: &[String]) {
    let theme = Theme::from_ui(ui);
    if let Some(fault) = field.fault() {
        let unfinished = fault.at.start >= fault.text.trim_end().len();
        let ink = if unfinished {
            theme.ink.secondary
        } else {
            theme.failure
        };
        let kept = match field.filter().0 {
            "" => "all features stay".to_owned(),
            good => format!("the rows are those of “{good}”"),
        };
        let words = format!("{}; {kept}", crate::words::said(&fault.what));
        ui.add(egui::Label::new(caption(words).color(ink)).wrap());
    }
    for lack in lacks {
        let words = caption(crate::words::said(lack)).color(theme.warning);
        ui.add(egui::Label::new(words).wrap());
    }
}
