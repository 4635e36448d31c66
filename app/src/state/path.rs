//! The window's own question for a path, asked where the system has no file dialog: what is typed, what the folder holds, what completes it.
//! Pure but for what `commands/path.rs` reads of the disk.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::load::Load;
use crate::dialogs::Ask;

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

/// Receiver of the answer; none for a cancelled question.
pub(crate) type Answer = SyncSender<Option<PathBuf>>;

/// The question that is asked now.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The question.
    pub(crate) ask: Ask,
    /// The typed text.
    pub(crate) text: String,
    /// The line of the list that is marked.
    pub(crate) marked: Option<usize>,
    /// The worker that waits for the answer.
    pub(crate) answer: Answer,
}

/// Question and folder.
#[derive(Debug, Default)]
pub(crate) struct PathState {
    /// The question, if one is asked.
    pub(crate) field: Option<Field>,
    /// The folder that was listed last.
    pub(crate) listed: Option<PathBuf>,
    /// Its entries: folders first, by name.
    pub(crate) entries: Load<Arc<Vec<Entry>>>,
    /// The folder that was chosen from last.
    last: Option<PathBuf>,
}

/// Consequence of choosing the typed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A valid answer.
    Good(PathBuf),
    /// An existing file that would be replaced.
    Replaces(PathBuf),
    /// A new folder in an existing one.
    NewFolder(PathBuf),
    /// Nothing that can be chosen: one sentence, empty while the folder is read.
    Bad(String),
}

/// The folder that `text` is in, with what of `text` names something in it.
fn split(text: &str) -> (&str, &str) {
    let at = text.rfind(['/', MAIN_SEPARATOR]).map_or(0, |at| at + 1);
    text.split_at(at)
}

impl PathState {
    /// The folder to list: that of what is typed, with `~` for `home`.
    pub(crate) fn folder(&self, home: Option<&Path>) -> Option<PathBuf> {
        let (folder, _) = split(&self.field.as_ref()?.text);
        let folder = match (folder.strip_prefix('~'), home) {
            (Some(inside), Some(home)) => {
                home.join(inside.trim_start_matches(['/', MAIN_SEPARATOR]))
            }
            _ if folder.is_empty() => PathBuf::from("."),
            _ => PathBuf::from(folder),
        };
        Some(folder)
    }

    /// Returns the folder's entries that match the typed beginning and may be chosen or entered; hidden ones only after a dot.
    pub(crate) fn matches(&self) -> Vec<&Entry> {
        let (Some(field), Some(entries)) = (&self.field, self.entries.ready()) else {
            return Vec::new();
        };
        let (_, beginning) = split(&field.text);
        let lower = beginning.to_lowercase();
        let shown = |entry: &&Entry| {
            let hidden = entry.name.starts_with('.') && !beginning.starts_with('.');
            !hidden && entry.name.to_lowercase().starts_with(&lower) && suits(&field.ask, entry)
        };
        entries.iter().filter(shown).collect()
    }

    /// Returns the text that Tab completes to: the common beginning of all matches, or the only match.
    pub(crate) fn completed(&self) -> Option<String> {
        let field = self.field.as_ref()?;
        let (folder, beginning) = split(&field.text);
        let matches = self.matches();
        if let [one] = matches.as_slice() {
            return Some(self.with(one));
        }
        let common = common_beginning(matches.iter().map(|entry| entry.name.as_str()))?;
        (common.len() > beginning.len()).then(|| format!("{folder}{common}"))
    }

    /// The text with `entry` in place of what is typed of it.
    pub(crate) fn with(&self, entry: &Entry) -> String {
        let text = self.field.as_ref().map_or("", |field| &field.text);
        let (folder, _) = split(text);
        let end = if entry.folder { "/" } else { "" };
        format!("{folder}{}{end}", entry.name)
    }

    /// The text of the folder above.
    pub(crate) fn above(&self) -> Option<String> {
        let text = &self.field.as_ref()?.text;
        let folder = self.listed.as_deref()?;
        let (written, beginning) = split(text);
        let inside = !beginning.is_empty() && !matches!(self.field.as_ref()?.ask, Ask::Save(..));
        let above = if inside { folder } else { folder.parent()? };
        let mut above = above.display().to_string();
        if !above.ends_with(['/', MAIN_SEPARATOR]) {
            above.push('/');
        }
        let name = if inside { "" } else { beginning };
        let text = format!("{above}{name}");
        (text != format!("{written}{beginning}")).then_some(text)
    }

    /// Judges the typed path.
    pub(crate) fn verdict(&self, home: Option<&Path>) -> Verdict {
        let bad = |why: &str| Verdict::Bad(why.to_owned());
        let (Some(field), Some(folder)) = (&self.field, self.folder(home)) else {
            return bad("");
        };
        let entries = match &self.entries {
            Load::Ready(entries) if self.listed.as_ref() == Some(&folder) => entries,
            Load::Failed(why) => return bad(why),
            _ => return bad(""),
        };
        let (_, name) = split(&field.text);
        let path = folder.join(name);
        let named = entries.iter().find(|entry| entry.name == name);
        match (&field.ask, named) {
            (Ask::Folder(_), _) if name.is_empty() => Verdict::Good(folder),
            (Ask::Folder(_), Some(entry)) if entry.folder => Verdict::Good(path),
            (Ask::Folder(_), Some(_)) => bad("This is a file; choose a folder"),
            (Ask::Folder(_), None) => Verdict::NewFolder(path),
            (_, _) if name.is_empty() => bad("Type a file name, or choose one below"),
            (_, Some(entry)) if entry.folder => bad("This is a folder: press Tab to enter it"),
            (Ask::File(..), Some(_)) | (Ask::Save(..), None) => Verdict::Good(path),
            (Ask::File(..), None) => bad("No such file exists"),
            (Ask::Save(..), Some(_)) => Verdict::Replaces(path),
        }
    }
}

/// A path written behind another begins at its own root, `/data//models` at `/models`, and `/data/~/` at the person's folder.
fn begun_again(text: String) -> String {
    let root = text.rfind("//").map(|at| at + 1);
    let home = text.rfind("/~/").map(|at| at + 1);
    match root.max(home) {
        Some(at) => text[at..].to_owned(),
        None => text,
    }
}

/// Whether an entry leads to what is asked for.
fn suits(ask: &Ask, entry: &Entry) -> bool {
    if entry.folder {
        return true;
    }
    match ask {
        Ask::Folder(_) => false,
        Ask::File(_, extensions) => {
            let ending = Path::new(&entry.name).extension();
            let ending = ending.map(|ending| ending.to_string_lossy().to_lowercase());
            extensions.is_empty() || ending.is_some_and(|e| extensions.contains(&e.as_str()))
        }
        Ask::Save(..) => true,
    }
}

fn common_beginning<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    names.map(str::to_owned).reduce(|common, name| {
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        same.map(|(letter, _)| letter).collect()
    })
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker asks for a path.
    Asked(Ask, Answer),
    /// The text changed, typed or completed.
    Text(String),
    /// A line of the list is marked, or none.
    Marked(Option<usize>),
    /// A folder is being listed, was, or cannot be.
    Listed(PathBuf, Load<Arc<Vec<Entry>>>),
    /// The question was answered with this path, or cancelled.
    Answered(Option<PathBuf>),
}

impl PathState {
    /// Carries out an event; a first question begins in `home`.
    pub(super) fn apply(&mut self, event: Event, home: Option<&Path>) {
        let path = self;
        match event {
            Event::Asked(ask, answer) => {
                let from = path.last.clone().or_else(|| home.map(Path::to_path_buf));
                let mut text = from.map_or_else(String::new, |from| from.display().to_string());
                if !text.ends_with(['/', MAIN_SEPARATOR]) {
                    text.push('/');
                }
                if let Ask::Save(_, name) = &ask {
                    text.push_str(name);
                }
                path.listed = None; // it may hold something else by now
                path.field = Some(Field {
                    ask,
                    text,
                    marked: None,
                    answer,
                });
            }
            Event::Text(text) => {
                if let Some(field) = &mut path.field {
                    field.text = begun_again(text);
                    field.marked = None;
                }
            }
            Event::Marked(marked) => {
                if let Some(field) = &mut path.field {
                    field.marked = marked;
                }
            }
            Event::Listed(folder, load) => {
                if load.is_loading() {
                    path.listed = Some(folder.clone());
                }
                if path.listed.as_ref() == Some(&folder) {
                    path.entries = load;
                }
            }
            Event::Answered(chosen) => {
                if let Some(chosen) = &chosen {
                    path.last = chosen.parent().map(Path::to_path_buf);
                }
                if let Some(field) = path.field.take() {
                    drop(field.answer.try_send(chosen)); // a worker that no longer waits needs none
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn asked(ask: Ask, text: &str) -> PathState {
        let entry = |name: &str, folder| Entry {
            name: name.to_owned(),
            folder,
        };
        let entries = vec![
            entry(".cache", true),
            entry("models", true),
            entry("models-old", true),
            entry("saes", true),
            entry("notes.txt", false),
            entry("tiny.gguf", false),
        ];
        PathState {
            field: Some(Field {
                ask,
                text: text.to_owned(),
                marked: None,
                answer: sync_channel(1).0,
            }),
            listed: Some("/data/".into()),
            entries: Load::Ready(Arc::new(entries)),
            last: None,
        }
    }

    const FOLDER: Ask = Ask::Folder("Open a project");
    const FILE: Ask = Ask::File("Open a model", &["gguf"]);

    fn names(state: &PathState) -> Vec<&str> {
        let matches = state.matches();
        matches.into_iter().map(|e| e.name.as_str()).collect()
    }

    #[test]
    fn what_matches_is_what_may_be_chosen_or_walked_into() {
        let all = ["models", "models-old", "saes"];
        assert_eq!(names(&asked(FOLDER, "/data/")), all);
        assert_eq!(names(&asked(FOLDER, "/data/.")), [".cache"]);
        assert_eq!(names(&asked(FOLDER, "/data/MOD")), ["models", "models-old"]);
        assert_eq!(names(&asked(FILE, "/data/t")), ["tiny.gguf"]);
        assert_eq!(names(&asked(FILE, "/data/n")), Vec::<&str>::new());
        let save = Ask::Save("Save", "x".to_owned());
        assert_eq!(names(&asked(save, "/data/n")), ["notes.txt"]);
    }

    #[test]
    fn tab_writes_what_all_matches_share_and_walks_into_the_only_one() {
        let completed = |text| asked(FOLDER, text).completed();
        assert_eq!(completed("/data/m").as_deref(), Some("/data/models"));
        assert_eq!(completed("/data/models"), None);
        assert_eq!(completed("/data/s").as_deref(), Some("/data/saes/"));
        assert_eq!(completed("/data/x"), None);
        let file = asked(FILE, "/data/t").completed();
        assert_eq!(file.as_deref(), Some("/data/tiny.gguf"));
    }

    #[test]
    fn only_what_is_asked_for_can_be_chosen() {
        #[track_caller]
        fn check(ask: Ask, text: &str, want: &Verdict) {
            assert_eq!(&asked(ask, text).verdict(None), want, "{text}");
        }
        let good = |path: &str| Verdict::Good(path.into());
        check(FOLDER, "/data/", &good("/data/"));
        check(FOLDER, "/data/saes", &good("/data/saes"));
        check(FOLDER, "/data/new", &Verdict::NewFolder("/data/new".into()));
        let file = "This is a file; choose a folder";
        check(FOLDER, "/data/notes.txt", &Verdict::Bad(file.to_owned()));
        check(FILE, "/data/tiny.gguf", &good("/data/tiny.gguf"));
        let missing = Verdict::Bad("No such file exists".to_owned());
        check(FILE, "/data/huge.gguf", &missing);
        let save = || Ask::Save("Save", "x".to_owned());
        let replaces = Verdict::Replaces("/data/notes.txt".into());
        check(save(), "/data/notes.txt", &replaces);
        check(save(), "/data/new.csv", &good("/data/new.csv"));
        // Another folder's list says nothing.
        check(FOLDER, "/elsewhere/saes", &Verdict::Bad(String::new()));
    }

    #[test]
    fn a_path_behind_another_begins_at_its_own_root() {
        let begun = |text: &str| begun_again(text.to_owned());
        assert_eq!(begun("/data//models/x"), "/models/x");
        assert_eq!(begun("/data/~/x"), "~/x");
        assert_eq!(begun("/data/a~b/x"), "/data/a~b/x");
        assert_eq!(begun("//"), "/");
    }

    #[test]
    fn the_folder_above_and_the_persons_own_are_found() {
        let above = |ask, text| asked(ask, text).above();
        assert_eq!(above(FOLDER, "/data/").as_deref(), Some("/"));
        assert_eq!(above(FOLDER, "/data/mod").as_deref(), Some("/data/"));
        let save = Ask::Save("Save", "x".to_owned());
        assert_eq!(above(save, "/data/x.csv").as_deref(), Some("/x.csv"));
        let home = asked(FOLDER, "~/mod").folder(Some(Path::new("/people/ada")));
        assert_eq!(home, Some("/people/ada".into()));
        assert_eq!(asked(FOLDER, "mod").folder(None), Some(".".into()));
    }
}
