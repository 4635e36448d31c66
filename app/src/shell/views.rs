//! The views that were opened, the palette, and dialogs with text of their own.

use std::collections::BTreeMap;

use super::guide_window::GuideWindow;
use super::link_window::LinkWindow;
use super::palette::Palette;
use super::tour::TourPanel;
use crate::state::view::ViewId;
use crate::views::{self, view::View};

/// The views that were opened, kept so that each keeps what only it needs.
#[derive(Debug, Default)]
pub(crate) struct Views {
    made: BTreeMap<ViewId, Box<dyn View>>,
    pub(super) palette: Palette,
    pub(super) guide: GuideWindow,
    pub(super) link: LinkWindow,
    pub(super) tour: TourPanel,
}

impl Views {
    /// A view, made when first asked for.
    pub(crate) fn get(&mut self, id: ViewId) -> &mut dyn View {
        self.made
            .entry(id)
            .or_insert_with(|| views::make(id))
            .as_mut()
    }
}
