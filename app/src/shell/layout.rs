//! The tiles and the one list of places that back and forward walk. Plain data; drawn by `tiles.rs`, changed by navigation commands.

use egui_tiles::{LinearDir, Tile, TileId, Tree};
use serde::{Deserialize, Serialize};
use umbra_core::ids::FeatureId;

use crate::commands::shell::Question;
use crate::state::catalogue::DictionaryId;
use crate::state::selection::Selection;
use crate::views::ViewId;

/// Somewhere a person was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The screen.
    pub view: ViewId,
    /// The dictionary selected there.
    pub dictionary: Option<DictionaryId>,
    /// The feature selected there.
    pub feature: Option<FeatureId>,
}

/// Places remembered.
const PLACES: usize = 200;

/// Tiles, history, and which windows are open.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The tiles; a pane is a view.
    pub tree: Tree<ViewId>,
    /// The tile that rail and links change.
    pub active: Option<TileId>,
    /// Whether the palette is open.
    pub palette_open: bool,
    /// Whether the settings window is open.
    pub settings_open: bool,
    /// A question that is asked before something is done.
    pub question: Option<Question>,
    places: Vec<Place>,
    at: usize,
}

/// What of it survives a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    tree: Tree<ViewId>,
    active: ViewId,
}

impl Default for Layout {
    fn default() -> Self {
        Self::with(Tree::new_tabs(
            egui::Id::unique("tiles"),
            vec![ViewId::default()],
        ))
    }
}

impl Layout {
    fn with(tree: Tree<ViewId>) -> Self {
        let active = first_pane(&tree);
        Self {
            tree,
            active,
            palette_open: false,
            settings_open: false,
            question: None,
            places: vec![],
            at: 0,
        }
    }

    /// From what was kept; a tree without panes is replaced.
    pub fn restore(saved: Saved) -> Self {
        if first_pane(&saved.tree).is_none() {
            return Self::default();
        }
        let mut layout = Self::with(saved.tree);
        if let Some(tile) = layout.tile_of(saved.active) {
            layout.active = Some(tile);
        }
        layout
    }

    /// To be kept.
    pub fn saved(&self) -> Saved {
        Saved {
            tree: self.tree.clone(),
            active: self.view(),
        }
    }

    /// The tiles as they were; the list of places and what is open over them stay.
    pub fn put(&mut self, saved: Saved) {
        let Self { tree, active, .. } = Self::restore(saved);
        (self.tree, self.active) = (tree, active);
    }

    /// Whether a tile holds `view`.
    pub fn has(&self, view: ViewId) -> bool {
        self.tile_of(view).is_some()
    }

    /// Whether a person sees `view` now.
    pub fn shows(&self, view: ViewId) -> bool {
        let seen = self.tree.active_tiles();
        self.tile_of(view).is_some_and(|tile| seen.contains(&tile))
    }

    /// How many tiles hold a view.
    pub fn panes(&self) -> usize {
        self.tree
            .tiles
            .tiles()
            .filter(|tile| tile.is_pane())
            .count()
    }

    /// The tiles as at the first start.
    pub fn reset(&mut self) {
        let view = self.view();
        self.tree = Tree::new_tabs(egui::Id::unique("tiles"), vec![view]);
        self.active = first_pane(&self.tree);
    }

    /// The view in the active tile.
    pub fn view(&self) -> ViewId {
        self.active
            .and_then(|tile| self.tree.tiles.get_pane(&tile).copied())
            .unwrap_or_default()
    }

    /// Makes the active tile show `view`; if another tile shows it already, that one becomes active.
    pub fn go(&mut self, view: ViewId, selection: &Selection) {
        self.remember(view, selection);
        self.show(view);
    }

    /// Opens `view` in a tile beside the active one; if a tile shows it already, that one becomes active.
    pub fn beside(&mut self, view: ViewId, selection: &Selection) {
        self.remember(view, selection);
        if self.tile_of(view).is_some() {
            return self.show(view);
        }
        self.repair();
        let Some(active) = self.active else {
            return;
        };
        let tiles = &mut self.tree.tiles;
        let pane = tiles.insert_pane(view);
        let tabs = tiles.insert_tab_tile(vec![pane]);
        // the tile to split is the tab container that holds the active pane
        let split = tiles.parent_of(active).unwrap_or(active);
        match tiles.parent_of(split) {
            Some(parent) if is_row(tiles.get(parent)) => {
                if let Some(Tile::Container(row)) = tiles.get_mut(parent) {
                    row.add_child(tabs);
                }
            }
            Some(parent) => {
                let row = tiles.insert_horizontal_tile(vec![split, tabs]);
                if let Some(Tile::Container(container)) = tiles.get_mut(parent)
                    && container.replace_child(split, row).is_none()
                {
                    container.add_child(row);
                }
            }
            None => {
                let row = tiles.insert_horizontal_tile(vec![split, tabs]);
                self.tree.root = Some(row);
            }
        }
        self.active = Some(pane);
    }

    /// One step back or forward in the list of places; the active tile shows it.
    pub fn walk(&mut self, forward: bool) -> Option<Place> {
        let at = if forward {
            self.at + 1
        } else {
            self.at.checked_sub(1)?
        };
        let place = *self.places.get(at)?;
        self.at = at;
        self.show(place.view);
        Some(place)
    }

    /// Whether there is more than one tile.
    pub fn is_split(&self) -> bool {
        self.panes() > 1
    }

    /// Whether there is a place before.
    pub fn can_go_back(&self) -> bool {
        self.at > 0
    }

    /// Whether there is a place after.
    pub fn can_go_forward(&self) -> bool {
        self.at + 1 < self.places.len()
    }

    fn show(&mut self, view: ViewId) {
        self.repair();
        if let Some(tile) = self.tile_of(view) {
            self.active = Some(tile);
            self.tree.make_active(|id, _| id == tile);
        } else if let Some(Tile::Pane(pane)) =
            self.active.and_then(|tile| self.tree.tiles.get_mut(tile))
        {
            *pane = view;
        }
    }

    /// The active tile may have been closed by its tab.
    fn repair(&mut self) {
        let gone = self
            .active
            .is_none_or(|tile| self.tree.tiles.get_pane(&tile).is_none());
        if gone {
            self.active = first_pane(&self.tree);
        }
        if self.active.is_none() {
            self.tree = Tree::new_tabs(egui::Id::unique("tiles"), vec![ViewId::default()]);
            self.active = first_pane(&self.tree);
        }
    }

    fn tile_of(&self, view: ViewId) -> Option<TileId> {
        self.tree.tiles.find_pane(&view)
    }

    /// Adds a place after the present one and forgets what was after it.
    fn remember(&mut self, view: ViewId, selection: &Selection) {
        let place = Place {
            view,
            dictionary: selection.dictionary,
            feature: selection.feature,
        };
        if self.places.is_empty() {
            let view = self.view();
            self.places.push(Place { view, ..place });
        }
        self.places.truncate(self.at + 1);
        if self.places.last() != Some(&place) {
            self.places.push(place);
        }
        if self.places.len() > PLACES {
            self.places.remove(0);
        }
        self.at = self.places.len() - 1;
    }
}

fn is_row(tile: Option<&Tile<ViewId>>) -> bool {
    matches!(tile, Some(Tile::Container(egui_tiles::Container::Linear(linear)))
        if linear.dir == LinearDir::Horizontal)
}

/// The pane with the smallest id.
fn first_pane(tree: &Tree<ViewId>) -> Option<TileId> {
    let panes = tree.tiles.iter().filter(|(_, tile)| tile.is_pane());
    panes.map(|(id, _)| *id).min_by_key(|id| id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(layout: &Layout) -> Vec<ViewId> {
        let mut views: Vec<_> = layout
            .tree
            .tiles
            .tiles()
            .filter_map(|tile| match tile {
                Tile::Pane(view) => Some(*view),
                Tile::Container(_) => None,
            })
            .collect();
        views.sort();
        views
    }

    #[test]
    fn going_changes_the_active_tile_and_back_and_forward_walk_one_list() {
        let (mut layout, mut selection) = (Layout::default(), Selection::default());
        assert!(!layout.can_go_back());
        layout.go(ViewId::Features, &selection);
        selection.feature = Some(FeatureId(7));
        layout.go(ViewId::Feature, &selection);
        assert_eq!(views(&layout), [ViewId::Feature]);
        assert_eq!(layout.walk(false).unwrap().view, ViewId::Features);
        assert_eq!(layout.walk(false).unwrap().view, ViewId::Library);
        assert_eq!(layout.walk(false), None);
        layout.walk(true).unwrap();
        let place = layout.walk(true).unwrap();
        assert_eq!(
            (place.view, place.feature),
            (ViewId::Feature, Some(FeatureId(7)))
        );
        layout.walk(false).unwrap();
        layout.go(ViewId::Prompt, &selection);
        assert!(
            !layout.can_go_forward(),
            "a new place forgets what was after"
        );
    }

    #[test]
    fn beside_splits_once_and_then_activates() {
        let (mut layout, selection) = (Layout::default(), Selection::default());
        layout.beside(ViewId::Prompt, &selection);
        layout.beside(ViewId::Heads, &selection);
        layout.beside(ViewId::Prompt, &selection);
        assert_eq!(
            views(&layout),
            [ViewId::Library, ViewId::Prompt, ViewId::Heads]
        );
        assert_eq!(layout.view(), ViewId::Prompt);
        layout.go(ViewId::Training, &selection);
        assert_eq!(
            views(&layout),
            [ViewId::Library, ViewId::Heads, ViewId::Training]
        );
    }

    #[test]
    fn a_closed_active_tile_leaves_a_usable_window() {
        let (mut layout, selection) = (Layout::default(), Selection::default());
        let tile = layout.active.unwrap();
        layout.tree.remove_recursively(tile);
        layout.go(ViewId::Log, &selection);
        assert_eq!(layout.view(), ViewId::Log);
    }
}
