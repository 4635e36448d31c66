//! The tiles and the one list of places that back and forward walk. Plain data; drawn by `tiles.rs`, changed by navigation commands.

use egui_tiles::{LinearDir, Tile, TileId, Tree};
use serde::{Deserialize, Serialize};
use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::question;
use crate::state::evaluation::tab::Tab as EvaluationTab;
use crate::state::heads::step::Shown;
use crate::state::kept::{Around, Scrolls};
use crate::state::prompt::Written;
use crate::state::requests::shell::Question;
use crate::state::selection::Selection;
use crate::state::steering::tab::Tab;
use crate::state::view::ViewId;
use crate::widgets::focus::Target;

/// A place in the navigation history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The screen.
    pub(crate) view: ViewId,
    /// The dictionary selected there.
    pub(crate) dictionary: Option<DictionaryId>,
    /// The feature selected there.
    pub(crate) feature: Option<FeatureId>,
    /// The step of Heads and its head, where the screen is Heads.
    pub(crate) heads: Option<(Shown, Option<(Layer, Head)>)>,
    /// The question of Dark matter, where the screen is Dark matter.
    pub(crate) question: Option<question::Question>,
    /// The tab of Steering, where the screen is Steering.
    pub(crate) tab: Option<Tab>,
    /// The tab of Evaluation, where the screen is Evaluation.
    pub(crate) evaluation: Option<EvaluationTab>,
    /// The other sentence, where the way here replaced the sentence in Prompt: going back restores it, going forward
    /// exchanges it again.
    pub(crate) aside: Option<Written>,
}

/// Places remembered.
const PLACES: usize = 200;

/// Whether the list of shortcuts is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Keys {
    /// Closed.
    #[default]
    Closed,
    /// Open.
    Open,
}

/// Tiles, history, and which windows are open.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The tiles; a pane is a view.
    pub(crate) tree: Tree<ViewId>,
    /// The tile that rail and links change.
    pub(crate) active: Option<TileId>,
    /// Whether the palette is open.
    pub(crate) palette_open: bool,
    /// Width of the window in the last frame, in points.
    pub(crate) width: f32,
    /// Whether the settings window is open.
    pub(crate) settings_open: bool,
    /// The page of the guide that is open.
    pub(crate) guide: Option<&'static str>,
    /// Whether a link is asked for.
    pub(crate) link_open: bool,
    /// Scroll positions of the screens, by the name of what is scrolled.
    pub(crate) scrolls: Scrolls,
    /// Scroll positions on their way to the screens.
    pub(crate) to_scroll: Option<Scrolls>,
    /// Text on its way to the clipboard.
    pub(crate) to_copy: Option<String>,
    /// The list of shortcuts.
    pub(crate) keys: Keys,
    /// The part of the active tile that gets the focus in the next frame.
    pub(crate) focus: Option<Target>,
    /// A question that is asked before something is done.
    pub(crate) question: Option<Question>,
    /// Pages of the guide before and after the open one.
    guide_walk: [Vec<&'static str>; 2],
    places: Vec<Place>,
    at: usize,
}

/// The part of the layout that survives a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
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

/// Narrower than this, in points, the rail shows icons alone and the inspector leaves its room to the screen.
const ROOMY: f32 = 1160.0;

impl Layout {
    /// Whether there is room for the rail's labels and the inspector.
    pub(crate) fn is_roomy(&self) -> bool {
        self.width >= ROOMY
    }

    fn with(tree: Tree<ViewId>) -> Self {
        let active = first_pane(&tree);
        Self {
            tree,
            active,
            palette_open: false,
            width: ROOMY,
            settings_open: false,
            guide: None,
            link_open: false,
            scrolls: Scrolls::default(),
            to_scroll: None,
            to_copy: None,
            keys: Keys::default(),
            focus: None,
            question: None,
            guide_walk: [vec![], vec![]],
            places: vec![],
            at: 0,
        }
    }

    /// Restores a saved layout; replaces a tree without panes.
    pub(crate) fn restore(saved: Saved) -> Self {
        if first_pane(&saved.tree).is_none() {
            return Self::default();
        }
        let mut layout = Self::with(saved.tree);
        if let Some(tile) = layout.tile_of(saved.active) {
            layout.active = Some(tile);
        }
        layout
    }

    /// Returns the part to save.
    pub(crate) fn saved(&self) -> Saved {
        Saved {
            tree: self.tree.clone(),
            active: self.view(),
        }
    }

    /// The tiles as they were; the list of places and what is open over them stay.
    pub(crate) fn put(&mut self, saved: Saved) {
        let Self { tree, active, .. } = Self::restore(saved);
        (self.tree, self.active) = (tree, active);
    }

    /// Opens a page of the guide, or closes the guide and forgets the pages walked through.
    pub(crate) fn open_guide(&mut self, page: Option<&'static str>) {
        let former = std::mem::replace(&mut self.guide, page);
        let [before, after] = &mut self.guide_walk;
        after.clear();
        match (former, page) {
            (_, None) => before.clear(),
            (Some(former), Some(page)) if former != page => before.push(former),
            _ => {}
        }
    }

    /// Shows the page of the guide before the open one, or after it. Before the first page, the guide closes.
    pub(crate) fn walk_guide(&mut self, forward: bool) {
        let [before, after] = &mut self.guide_walk;
        let (from, to) = if forward {
            (after, before)
        } else {
            (before, after)
        };
        match (from.pop(), self.guide) {
            (Some(page), Some(former)) => {
                to.push(former);
                self.guide = Some(page);
            }
            _ if !forward => self.open_guide(None),
            _ => {}
        }
    }

    /// The back and forward list, and the present place in it.
    pub(crate) fn places(&self) -> (&[Place], usize) {
        (&self.places, self.at)
    }

    /// The tiles, the list of places and the scroll positions of the last time. This is where undo begins.
    pub(crate) fn resume(&mut self, around: Around) {
        if let Some(tiles) = around.tiles {
            self.put(tiles);
        }
        self.places = around.places;
        self.at = around.at.min(self.places.len().saturating_sub(1));
        self.to_scroll = Some(around.scrolls);
    }

    /// No place names a feature of these dictionaries any longer: they are others than before.
    pub(crate) fn forget_features(&mut self, of: &[DictionaryId]) {
        for place in &mut self.places {
            if place.dictionary.is_some_and(|id| of.contains(&id)) {
                place.feature = None;
            }
        }
    }

    /// Whether a tile holds `view`.
    pub(crate) fn has(&self, view: ViewId) -> bool {
        self.tile_of(view).is_some()
    }

    /// Whether a person sees `view` now.
    pub(crate) fn shows(&self, view: ViewId) -> bool {
        let seen = self.tree.active_tiles();
        self.tile_of(view).is_some_and(|tile| seen.contains(&tile))
    }

    /// Returns the number of tiles that hold a view.
    pub(crate) fn panes(&self) -> usize {
        self.tree
            .tiles
            .tiles()
            .filter(|tile| tile.is_pane())
            .count()
    }

    /// The tiles as at the first start.
    pub(crate) fn reset(&mut self) {
        let view = self.view();
        self.tree = Tree::new_tabs(egui::Id::unique("tiles"), vec![view]);
        self.active = first_pane(&self.tree);
    }

    /// The view in the active tile.
    pub(crate) fn view(&self) -> ViewId {
        self.active
            .and_then(|tile| self.tree.tiles.get_pane(&tile).copied())
            .unwrap_or_default()
    }

    /// Makes the active tile show `view`; if another tile shows it already, that one becomes active.
    pub(crate) fn go(&mut self, view: ViewId, selection: &Selection) {
        self.remember(view, selection);
        self.show(view);
    }

    /// Acts as [`Self::go`] for a link that replaces the sentence in Prompt; going back restores `sentence`.
    pub(crate) fn go_with(&mut self, view: ViewId, selection: &Selection, sentence: Written) {
        self.remember_with(view, selection, Some(sentence));
        self.show(view);
    }

    /// Opens `view` in a tile beside the active one; if a tile shows it already, that one becomes active.
    pub(crate) fn beside(&mut self, view: ViewId, selection: &Selection) {
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

    /// One step back or forward in the list of places; the active tile shows it. With the sentence that belongs into Prompt there, where it is another than
    /// `sentence`, which is in it now.
    pub(crate) fn walk(
        &mut self,
        forward: bool,
        sentence: Written,
    ) -> Option<(Place, Option<Written>)> {
        let at = if forward {
            self.at + 1
        } else {
            self.at.checked_sub(1)?
        };
        let place = self.places.get(at)?.clone();
        let crossed = if forward { at } else { self.at };
        let aside = &mut self.places[crossed].aside;
        let other = aside
            .as_mut()
            .map(|aside| std::mem::replace(aside, sentence));
        self.at = at;
        self.show(place.view);
        Some((place, other))
    }

    /// Whether there is more than one tile.
    pub(crate) fn is_split(&self) -> bool {
        self.panes() > 1
    }

    /// Whether there is a place before.
    pub(crate) fn can_go_back(&self) -> bool {
        self.at > 0
    }

    /// Whether there is a place after.
    pub(crate) fn can_go_forward(&self) -> bool {
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
        self.remember_with(view, selection, None);
    }

    fn remember_with(&mut self, view: ViewId, selection: &Selection, aside: Option<Written>) {
        let heads = |view: ViewId| {
            let is_heads = view == ViewId::Heads;
            is_heads.then_some((selection.shown, selection.head))
        };
        let question = |view| (view == ViewId::DarkMatter).then_some(selection.question);
        let tab = |view| (view == ViewId::Steering).then_some(selection.tab);
        let evaluation = |view| (view == ViewId::Evaluation).then_some(selection.evaluation);
        let place = Place {
            view,
            dictionary: selection.dictionary,
            feature: selection.feature,
            heads: heads(view),
            question: question(view),
            tab: tab(view),
            evaluation: evaluation(view),
            aside,
        };
        if self.places.is_empty() {
            let view = self.view();
            self.places.push(Place {
                view,
                heads: heads(view),
                question: question(view),
                tab: tab(view),
                evaluation: evaluation(view),
                aside: None,
                ..place.clone()
            });
        }
        self.places.truncate(self.at + 1);
        let is_there = self.places.last().is_some_and(|last| {
            let here = |place: &Place| {
                let about = (place.heads, place.question, place.tab, place.evaluation);
                (place.view, place.dictionary, place.feature, about)
            };
            here(last) == here(&place) && place.aside.is_none()
        });
        if !is_there {
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

    /// A step from where `sentence` stands; the place and the sentence that comes back there.
    fn walk(layout: &mut Layout, forward: bool, sentence: &str) -> Option<(Place, Option<String>)> {
        let (place, back) = layout.walk(forward, sentence.into())?;
        Some((place, back.map(|shown| shown.text)))
    }

    #[test]
    fn going_changes_the_active_tile_and_back_and_forward_walk_one_list() {
        let (mut layout, mut selection) = (Layout::default(), Selection::default());
        assert!(!layout.can_go_back());
        layout.go(ViewId::Features, &selection);
        selection.feature = Some(FeatureId(7));
        layout.go(ViewId::Feature, &selection);
        assert_eq!(views(&layout), [ViewId::Feature]);
        assert_eq!(
            walk(&mut layout, false, "").unwrap().0.view,
            ViewId::Features
        );
        assert_eq!(walk(&mut layout, false, "").unwrap().0.view, ViewId::Prompt);
        assert_eq!(walk(&mut layout, false, ""), None);
        walk(&mut layout, true, "").unwrap();
        let (place, sentence) = walk(&mut layout, true, "").unwrap();
        assert_eq!(
            (place.view, place.feature),
            (ViewId::Feature, Some(FeatureId(7)))
        );
        assert_eq!(sentence, None);
        walk(&mut layout, false, "").unwrap();
        layout.go(ViewId::Prompt, &selection);
        assert!(
            !layout.can_go_forward(),
            "a new place forgets what was after"
        );
    }

    #[test]
    fn a_sentence_set_aside_comes_back_on_the_way_back_and_the_other_on_the_way_forward() {
        let (mut layout, selection) = (Layout::default(), Selection::default());
        layout.go(ViewId::Prompt, &selection);
        layout.go(ViewId::Feature, &selection);
        layout.go_with(ViewId::Prompt, &selection, "mine".into());
        // Typed at the example; then elsewhere and back.
        layout.go(ViewId::Library, &selection);
        let sentence = |walked: Option<(Place, Option<String>)>| walked.unwrap().1;
        assert_eq!(sentence(walk(&mut layout, false, "example!")), None);
        // A second example over the first, without leaving the screen.
        layout.go_with(ViewId::Prompt, &selection, "example!".into());
        let walked = walk(&mut layout, false, "second");
        assert_eq!(sentence(walked).as_deref(), Some("example!"));
        let walked = walk(&mut layout, false, "example!");
        assert_eq!(sentence(walked).as_deref(), Some("mine"));
        assert_eq!(layout.view(), ViewId::Feature);
        assert_eq!(sentence(walk(&mut layout, false, "mine")), None);
        assert_eq!(sentence(walk(&mut layout, true, "mine too")), None);
        let walked = walk(&mut layout, true, "mine too");
        assert_eq!(sentence(walked).as_deref(), Some("example!"));
        let walked = walk(&mut layout, false, "example!");
        assert_eq!(sentence(walked).as_deref(), Some("mine too"));
    }

    #[test]
    fn beside_splits_once_and_then_activates() {
        let (mut layout, selection) = (Layout::default(), Selection::default());
        layout.beside(ViewId::Library, &selection);
        layout.beside(ViewId::Heads, &selection);
        layout.beside(ViewId::Library, &selection);
        assert_eq!(
            views(&layout),
            [ViewId::Library, ViewId::Prompt, ViewId::Heads]
        );
        assert_eq!(layout.view(), ViewId::Library);
        layout.go(ViewId::Training, &selection);
        assert_eq!(
            views(&layout),
            [ViewId::Prompt, ViewId::Heads, ViewId::Training]
        );
    }

    #[test]
    fn the_guide_walks_back_through_its_pages_and_closes_before_the_first() {
        let mut layout = Layout::default();
        for page in ["guide", "window", "features"] {
            layout.open_guide(Some(page));
        }
        layout.walk_guide(false);
        assert_eq!(layout.guide, Some("window"));
        layout.walk_guide(true);
        layout.walk_guide(true);
        assert_eq!(layout.guide, Some("features"));
        layout.walk_guide(false);
        layout.open_guide(Some("log"));
        layout.walk_guide(true);
        assert_eq!(
            layout.guide,
            Some("log"),
            "a new page forgets what was after"
        );
        for want in [Some("window"), Some("guide"), None] {
            layout.walk_guide(false);
            assert_eq!(layout.guide, want);
        }
        layout.open_guide(Some("log"));
        layout.walk_guide(false);
        assert_eq!(layout.guide, None, "a closed guide forgets its pages");
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
