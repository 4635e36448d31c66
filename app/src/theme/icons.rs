//! Code points of the icon font (Phosphor, regular). Shown with [`super::icon`] alone: inside ordinary text another font may
//! have its own sign at these places.

/// Do again.
pub const ARROWS_CLOCKWISE: &str = "\u{E094}";
/// Reset.
pub const ARROW_COUNTER_CLOCKWISE: &str = "\u{E038}";
/// Back.
pub const ARROW_LEFT: &str = "\u{E058}";
/// Forward.
pub const ARROW_RIGHT: &str = "\u{E06C}";
/// Open elsewhere.
pub const ARROW_SQUARE_OUT: &str = "\u{E5DE}";
/// Undo.
pub const ARROW_U_UP_LEFT: &str = "\u{E08A}";
/// Notifications.
pub const BELL: &str = "\u{E0CE}";
/// Library.
pub const BOOKS: &str = "\u{E758}";
/// Collapse.
pub const CARET_DOUBLE_LEFT: &str = "\u{E128}";
/// Expand.
pub const CARET_DOUBLE_RIGHT: &str = "\u{E12A}";
/// Opens below.
pub const CARET_DOWN: &str = "\u{E136}";
/// Previous.
pub const CARET_LEFT: &str = "\u{E138}";
/// Next, or inside.
pub const CARET_RIGHT: &str = "\u{E13A}";
/// Opens above.
pub const CARET_UP: &str = "\u{E13C}";
/// Training.
pub const CHART_LINE_UP: &str = "\u{E156}";
/// Text.
pub const CHAT_TEXT: &str = "\u{E17A}";
/// Chosen.
pub const CHECK: &str = "\u{E182}";
/// Succeeded.
pub const CHECK_CIRCLE: &str = "\u{E184}";
/// Feature.
pub const CIRCLES_THREE: &str = "\u{E192}";
/// Theme.
pub const CIRCLE_HALF: &str = "\u{E18C}";
/// Beside.
pub const COLUMNS: &str = "\u{E546}";
/// Commands.
pub const COMMAND: &str = "\u{E1C4}";
/// Copy.
pub const COPY: &str = "\u{E1CA}";
/// Device.
pub const CPU: &str = "\u{E610}";
/// Model.
pub const CUBE: &str = "\u{E1DA}";
/// Prompt.
pub const CURSOR_TEXT: &str = "\u{E7D8}";
/// Index.
pub const DATABASE: &str = "\u{E1DE}";
/// Feature.
pub const DIAMOND: &str = "\u{E1EC}";
/// More.
pub const DOTS_THREE: &str = "\u{E1FE}";
/// Export.
pub const EXPORT: &str = "\u{EAF0}";
/// Show.
pub const EYE: &str = "\u{E220}";
/// File.
pub const FILE: &str = "\u{E230}";
/// Report.
pub const FILE_TEXT: &str = "\u{E23A}";
/// Lab.
pub const FLASK: &str = "\u{E79E}";
/// Save.
pub const FLOPPY_DISK: &str = "\u{E248}";
/// Open.
pub const FOLDER_OPEN: &str = "\u{E256}";
/// New project.
pub const FOLDER_PLUS: &str = "\u{E258}";
/// Filter.
pub const FUNNEL: &str = "\u{E266}";
/// Evaluate.
pub const GAUGE: &str = "\u{E628}";
/// Settings.
pub const GEAR_SIX: &str = "\u{E272}";
/// Grid.
pub const GRID_FOUR: &str = "\u{E296}";
/// Heads.
pub const GRID_NINE: &str = "\u{EC8C}";
/// Number.
pub const HASH: &str = "\u{E2A2}";
/// Information.
pub const INFO: &str = "\u{E2CE}";
/// Shortcuts.
pub const KEYBOARD: &str = "\u{E2D8}";
/// Hint.
pub const LIGHTBULB: &str = "\u{E2DC}";
/// Fast.
pub const LIGHTNING: &str = "\u{E2DE}";
/// Link.
pub const LINK: &str = "\u{E2E2}";
/// Menu.
pub const LIST: &str = "\u{E2F0}";
/// List.
pub const LIST_BULLETS: &str = "\u{E2F2}";
/// Search.
pub const MAGNIFYING_GLASS: &str = "\u{E30C}";
/// Dark theme.
pub const MOON: &str = "\u{E330}";
/// Dark matter.
pub const MOON_STARS: &str = "\u{E58E}";
/// Pause.
pub const PAUSE: &str = "\u{E39E}";
/// Edit.
pub const PENCIL_SIMPLE: &str = "\u{E3B4}";
/// Dark matter.
pub const PLANET: &str = "\u{E652}";
/// Start.
pub const PLAY: &str = "\u{E3D0}";
/// Add.
pub const PLUS: &str = "\u{E3D4}";
/// What is this.
pub const QUESTION: &str = "\u{E3E8}";
/// Log.
pub const SCROLL: &str = "\u{EB7A}";
/// Inspector.
pub const SIDEBAR_SIMPLE: &str = "\u{EC24}";
/// Steering.
pub const SLIDERS_HORIZONTAL: &str = "\u{E434}";
/// Ascending.
pub const SORT_ASCENDING: &str = "\u{E444}";
/// Descending.
pub const SORT_DESCENDING: &str = "\u{E446}";
/// Activation.
pub const SPARKLE: &str = "\u{E6A2}";
/// Dictionary.
pub const STACK: &str = "\u{E466}";
/// Favourite.
pub const STAR: &str = "\u{E46A}";
/// Stop.
pub const STOP: &str = "\u{E46C}";
/// Light theme.
pub const SUN: &str = "\u{E472}";
/// Features.
pub const TABLE: &str = "\u{E476}";
/// Label.
pub const TAG: &str = "\u{E478}";
/// Text size.
pub const TEXT_AA: &str = "\u{E6EE}";
/// Remove.
pub const TRASH: &str = "\u{E4A6}";
/// Warning.
pub const WARNING: &str = "\u{E4E0}";
/// Failure.
pub const WARNING_CIRCLE: &str = "\u{E4E2}";
/// Close.
pub const X: &str = "\u{E4F6}";
