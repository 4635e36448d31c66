//! Code points of the icon font (Phosphor, regular). Shown with [`super::icon`] alone: inside ordinary text another font may
//! have its own sign at these places.

/// Reset.
pub(crate) const ARROW_COUNTER_CLOCKWISE: &str = "\u{E038}";
/// Back.
pub(crate) const ARROW_LEFT: &str = "\u{E058}";
/// Forward.
pub(crate) const ARROW_RIGHT: &str = "\u{E06C}";
/// Undo.
pub(crate) const ARROW_U_UP_LEFT: &str = "\u{E08A}";
/// Redo.
pub(crate) const ARROW_U_UP_RIGHT: &str = "\u{E08C}";
/// Library.
pub(crate) const BOOKS: &str = "\u{E758}";
/// Collapse.
pub(crate) const CARET_DOUBLE_LEFT: &str = "\u{E128}";
/// Expand.
pub(crate) const CARET_DOUBLE_RIGHT: &str = "\u{E12A}";
/// Opens below.
pub(crate) const CARET_DOWN: &str = "\u{E136}";
/// Previous.
pub(crate) const CARET_LEFT: &str = "\u{E138}";
/// Next, or inside.
pub(crate) const CARET_RIGHT: &str = "\u{E13A}";
/// Opens above.
pub(crate) const CARET_UP: &str = "\u{E13C}";
/// Training.
pub(crate) const CHART_LINE_UP: &str = "\u{E156}";
/// Chosen.
pub(crate) const CHECK: &str = "\u{E182}";
/// Succeeded.
pub(crate) const CHECK_CIRCLE: &str = "\u{E184}";
/// Theme.
pub(crate) const CIRCLE_HALF: &str = "\u{E18C}";
/// Beside.
pub(crate) const COLUMNS: &str = "\u{E546}";
/// Tour.
pub(crate) const COMPASS: &str = "\u{E1C8}";
/// Copy.
pub(crate) const COPY: &str = "\u{E1CA}";
/// Device.
pub(crate) const CPU: &str = "\u{E610}";
/// Model.
pub(crate) const CUBE: &str = "\u{E1DA}";
/// Prompt.
pub(crate) const CURSOR_TEXT: &str = "\u{E7D8}";
/// Index.
pub(crate) const DATABASE: &str = "\u{E1DE}";
/// Feature.
pub(crate) const DIAMOND: &str = "\u{E1EC}";
/// More.
pub(crate) const DOTS_THREE: &str = "\u{E1FE}";
/// File.
pub(crate) const FILE: &str = "\u{E230}";
/// Open.
pub(crate) const FOLDER_OPEN: &str = "\u{E256}";
/// Filter.
pub(crate) const FUNNEL: &str = "\u{E266}";
/// Evaluate.
pub(crate) const GAUGE: &str = "\u{E628}";
/// Settings.
pub(crate) const GEAR_SIX: &str = "\u{E272}";
/// Heads.
pub(crate) const GRID_NINE: &str = "\u{EC8C}";
/// Information.
pub(crate) const INFO: &str = "\u{E2CE}";
/// Shortcuts.
pub(crate) const KEYBOARD: &str = "\u{E2D8}";
/// Menu.
pub(crate) const LIST: &str = "\u{E2F0}";
/// Search.
pub(crate) const MAGNIFYING_GLASS: &str = "\u{E30C}";
/// Dark theme.
pub(crate) const MOON: &str = "\u{E330}";
/// Dark matter.
pub(crate) const PLANET: &str = "\u{E652}";
/// Start.
pub(crate) const PLAY: &str = "\u{E3D0}";
/// Add.
pub(crate) const PLUS: &str = "\u{E3D4}";
/// Help.
pub(crate) const QUESTION: &str = "\u{E3E8}";
/// Log.
pub(crate) const SCROLL: &str = "\u{EB7A}";
/// Inspector.
pub(crate) const SIDEBAR_SIMPLE: &str = "\u{EC24}";
/// Steering.
pub(crate) const SLIDERS_HORIZONTAL: &str = "\u{E434}";
/// Dictionary.
pub(crate) const STACK: &str = "\u{E466}";
/// Stop.
pub(crate) const STOP: &str = "\u{E46C}";
/// Light theme.
pub(crate) const SUN: &str = "\u{E472}";
/// Features.
pub(crate) const TABLE: &str = "\u{E476}";
/// Text size.
pub(crate) const TEXT_AA: &str = "\u{E6EE}";
/// Remove.
pub(crate) const TRASH: &str = "\u{E4A6}";
/// Warning.
pub(crate) const WARNING: &str = "\u{E4E0}";
/// Failure.
pub(crate) const WARNING_CIRCLE: &str = "\u{E4E2}";
/// Close.
pub(crate) const X: &str = "\u{E4F6}";
