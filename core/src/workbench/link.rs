//! Links to features: `umbra://feature?project=PATH&dictionary=NAME&fingerprint=HEX&feature=N`.
//!
//! | key | value |
//! |---|---|
//! | `project` | absolute path of the project's folder |
//! | `dictionary` | name of the dictionary: the last part of its folder's path, under which the project keeps labels and figures |
//! | `fingerprint` | [`Sae::fingerprint`] of its weights, 64 lower-case hexadecimal digits: the one by which [`crate::fit`] judges |
//! | `feature` | number of the feature, counted from 0 |
//!
//! The keys are written in this order and read in any. Values are percent-encoded as RFC 3986 has it: every byte of their UTF-8 except letters, digits and
//! `-._~/` is `%XX`, and `+` stands for itself. No system is told of the scheme: a link is given to `umbra open` or pasted into the window.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Notes, Result};
use crate::formats;
use crate::ids::FeatureId;
use crate::project::{Entry, Project};
use crate::sae::Sae;

/// Scheme and kind that every link begins with.
pub const BEGIN: &str = "umbra://feature?";

/// Hexadecimal digits of a fingerprint.
const DIGITS: usize = 64;

/// A link to a feature of a dictionary of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Folder of the project, absolute.
    pub project: PathBuf,
    /// Name of the dictionary.
    pub dictionary: String,
    /// Fingerprint of the dictionary: [`Sae::fingerprint`].
    pub fingerprint: String,
    /// The feature.
    pub feature: FeatureId,
}

impl Link {
    /// Makes a link to a feature of the dictionary called `dictionary` of the project in a folder; an error if there is none, or the feature does not exist. The
    /// notes are the project's and the dictionary's own.
    pub fn new(project: &Path, dictionary: &str, feature: FeatureId) -> Result<(Self, Notes)> {
        let (project, mut notes) = Project::open(project)?;
        let entry = named(&project, dictionary)?;
        let (sae, said) = formats::open_among(&entry.sae, None, &project.dictionaries())?;
        notes.extend(said);
        let link = Self {
            project: project.folder.clone(),
            dictionary: dictionary.to_owned(),
            fingerprint: sae.fingerprint(),
            feature,
        };
        link.check_feature(sae.features())?;
        link.check_path()?;
        Ok((link, notes))
    }

    /// Opens the project and the dictionary that it names and checks that the link fits both. Reads the dictionary's weights.
    pub fn check(&self) -> Result<()> {
        let (project, _) = Project::open(&self.project)?;
        let mut entries = project.entries.iter().filter(|e| self.names(&e.sae));
        let mut entry = named(&project, &self.dictionary)?;
        loop {
            let (sae, _) = formats::open_among(&entry.sae, None, &project.dictionaries())?;
            let checked = self.check_sae(&sae);
            // Two folders of one name: the fingerprint tells them apart.
            let other = entries.find(|other| other.sae != entry.sae);
            match (checked, other) {
                (Err(_), Some(other)) => entry = other,
                (checked, _) => return checked,
            }
        }
    }

    /// Checks that `sae` is the dictionary meant and has the feature.
    pub fn check_sae(&self, sae: &Sae) -> Result<()> {
        self.check_fit(&sae.fingerprint(), sae.features())
    }

    /// Checks that a dictionary with this fingerprint and so many features is the one meant and has the feature.
    pub fn check_fit(&self, fingerprint: &str, features: usize) -> Result<()> {
        if self.fingerprint != fingerprint {
            let what = format!(
                "the link was made for a dictionary {} with the fingerprint {}…, the one there now has {}…: ask for a new link",
                self.dictionary,
                short(&self.fingerprint),
                short(fingerprint)
            );
            return Err(Error::Mismatch { what });
        }
        self.check_feature(features)
    }

    /// Whether `folder` is the folder of a dictionary of the name in the link.
    pub fn names(&self, folder: &Path) -> bool {
        has_name(folder, &self.dictionary)
    }

    fn check_feature(&self, features: usize) -> Result<()> {
        if self.feature.index() < features {
            return Ok(());
        }
        let last = features.saturating_sub(1);
        let what = format!(
            "the dictionary {} has no feature {}: its features are 0 to {last}",
            self.dictionary, self.feature
        );
        Err(Error::Mismatch { what })
    }

    fn check_path(&self) -> Result<()> {
        if self.project.to_str().is_some() {
            return Ok(());
        }
        let what = "its path is not UTF-8, so no link can name it: rename the folder";
        Err(Error::input(what, &self.project))
    }
}

fn has_name(folder: &Path, name: &str) -> bool {
    folder.file_name().is_some_and(|own| own == name)
}

/// Returns the first dictionary of that name.
fn named<'a>(project: &'a Project, name: &str) -> Result<&'a Entry> {
    let mut entries = project.entries.iter();
    let found = entries.find(|entry| has_name(&entry.sae, name));
    found.ok_or_else(|| {
        let names: Vec<_> = (project.entries.iter())
            .filter_map(|entry| Some(entry.sae.file_name()?.to_string_lossy()))
            .collect();
        let there = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        let what = format!("the project has no dictionary `{name}`: {there}");
        Error::input(what, &project.folder)
    })
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{BEGIN}project={}&dictionary={}&fingerprint={}&feature={}",
            encoded(&self.project.to_string_lossy()),
            encoded(&self.dictionary),
            encoded(&self.fingerprint),
            self.feature
        )
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(format!("%{byte:02X}").chars());
        }
    }
    out
}

impl FromStr for Link {
    type Err = Error;

    /// Reads a link, spaces around it left out; an error is one sentence for the part that is wrong.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let begins = text.get(..BEGIN.len());
        let Some(pairs) = begins
            .filter(|begin| begin.eq_ignore_ascii_case(BEGIN))
            .and_then(|_| text.get(BEGIN.len()..))
        else {
            let what = format!("`{}` does not begin with {BEGIN}", shown(text));
            return Err(Error::setting("link", what));
        };
        let mut parts = Parts::default();
        for pair in pairs.split('&') {
            parts.take(pair)?;
        }
        Ok(Self {
            project: project(&given("project", parts.project)?)?,
            dictionary: dictionary(given("dictionary", parts.dictionary)?)?,
            fingerprint: fingerprint(&given("fingerprint", parts.fingerprint)?)?,
            feature: feature(&given("feature", parts.feature)?)?,
        })
    }
}

/// Values as the link has them, decoded.
#[derive(Debug, Default)]
struct Parts {
    project: Option<String>,
    dictionary: Option<String>,
    fingerprint: Option<String>,
    feature: Option<String>,
}

impl Parts {
    fn take(&mut self, pair: &str) -> Result<()> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let part = match key {
            "project" => &mut self.project,
            "dictionary" => &mut self.dictionary,
            "fingerprint" => &mut self.fingerprint,
            "feature" => &mut self.feature,
            other => {
                let what = format!(
                    "`{}` is no part of a link: its parts are project, dictionary, fingerprint and feature",
                    shown(other)
                );
                return Err(Error::setting("link", what));
            }
        };
        if part.replace(decoded(key, value)?).is_some() {
            let what = format!("`{key}` stands in it twice, give it once");
            return Err(Error::setting("link", what));
        }
        Ok(())
    }
}

fn given(key: &str, part: Option<String>) -> Result<String> {
    part.filter(|value| !value.is_empty())
        .ok_or_else(|| Error::setting("link", format!("`{key}` is missing from it, copy it whole")))
}

fn project(value: &str) -> Result<PathBuf> {
    let path = PathBuf::from(value);
    if path.is_absolute() {
        return Ok(path);
    }
    let what = format!(
        "its project `{}` is not a path from the root, give an absolute one",
        shown(value)
    );
    Err(Error::setting("link", what))
}

fn dictionary(value: String) -> Result<String> {
    if value.contains(['/', '\\']) {
        let what = format!(
            "its dictionary `{}` is a path, give the name of the folder alone",
            shown(&value)
        );
        return Err(Error::setting("link", what));
    }
    Ok(value)
}

fn fingerprint(value: &str) -> Result<String> {
    if value.len() == DIGITS && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(value.to_ascii_lowercase());
    }
    let what = format!(
        "its fingerprint `{}` is not {DIGITS} hexadecimal digits",
        shown(value)
    );
    Err(Error::setting("link", what))
}

fn feature(value: &str) -> Result<FeatureId> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| digits);
    number.map(FeatureId).ok_or_else(|| {
        let what = format!("its feature `{}` is not a number such as 12", shown(value));
        Error::setting("link", what)
    })
}

fn decoded(key: &str, value: &str) -> Result<String> {
    let wrong = |why: &str| Error::setting("link", format!("its {key} {why}"));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let both = digit().zip(digit());
        let (high, low) =
            both.ok_or_else(|| wrong("has a % without two hexadecimal digits behind it"))?;
        bytes.push((high * 16 + low) as u8);
    }
    let text = String::from_utf8(bytes).map_err(|_bytes| wrong("is not UTF-8"))?;
    if text.contains('\0') {
        return Err(wrong("holds a zero byte"));
    }
    Ok(text)
}

/// The beginning of what was given, for a sentence.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST)
        .collect();
    if text.chars().count() > MOST {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Precision;

    fn demo() -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"))
            .canonicalize()
            .unwrap()
    }

    fn link(project: &str, dictionary: &str) -> Link {
        Link {
            project: project.into(),
            dictionary: dictionary.to_owned(),
            fingerprint: "0123456789abcdef".repeat(4),
            feature: FeatureId(12),
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_written_in_one_order_with_every_other_byte_encoded() {
        let written = link("/data/a b/Umbra & co/100%", "größe+1=2").to_string();
        let print = "0123456789abcdef".repeat(4);
        let want = format!(
            "umbra://feature?project=/data/a%20b/Umbra%20%26%20co/100%25&dictionary=gr%C3%B6%C3%9Fe%2B1%3D2&fingerprint={print}&feature=12"
        );
        assert_eq!(written, want);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_is_read_again_and_so_are_other_orders_and_encodings() {
        for (project, dictionary) in [
            ("/p", "d"),
            ("/a b/ü/日本語/&=?#%25+", "x & y%20z"),
            ("/p/emoji 🦊", "a;b,c:d@e"),
        ] {
            let link = link(project, dictionary);
            assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
        }
        let print = "0123456789ABCDEF".repeat(4);
        let other = format!(
            " UMBRA://Feature?feature=12&fingerprint={print}&dictionary=a+%62&project=%2Fp%2fq\n"
        );
        assert_eq!(other.parse::<Link>().unwrap(), link("/p/q", "a+b"));
    }

    #[cfg(unix)]
    #[test]
    fn every_part_that_is_wrong_is_named_in_one_sentence() {
        let good = link("/p", "d").to_string();
        let print = "0123456789abcdef".repeat(4);
        for (wrong, said) in [
            (good.replace("umbra:", "http:"), "does not begin with"),
            (good.replace("feature?", "head?"), "does not begin with"),
            (String::new(), "does not begin with"),
            ("umbra://feature?".to_owned(), "no part of a link"),
            (good.replace("project=", "folder="), "`folder`"),
            (good.replace("project=/p&", ""), "`project` is missing"),
            (good.replace("=d&", "=&"), "`dictionary` is missing"),
            (
                good.replace("feature=12", "feature"),
                "`feature` is missing",
            ),
            (format!("{good}&feature=3"), "twice"),
            (good.replace("=/p", "=p"), "not a path from the root"),
            (good.replace("=d&", "=a%2Fb&"), "is a path"),
            (good.replace(&print, "abc"), "64 hexadecimal digits"),
            (
                good.replace(&print, &"g".repeat(64)),
                "64 hexadecimal digits",
            ),
            (good.replace("=12", "=-1"), "`-1` is not a number"),
            (good.replace("=12", "=%2B1"), "`+1` is not a number"),
            (good.replace("=12", "=99999999999"), "is not a number"),
            (good.replace("=/p", "=/p%2"), "its project has a %"),
            (good.replace("=d&", "=%zz&"), "its dictionary has a %"),
            (good.replace("=d&", "=%ff&"), "its dictionary is not UTF-8"),
            (good.replace("=/p", "=/p%00"), "zero byte"),
        ] {
            let error = wrong.parse::<Link>().unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
    }

    #[test]
    fn a_link_to_the_demo_is_accepted_and_what_does_not_fit_is_refused() {
        let (link, _) = Link::new(&demo(), "attn-1", FeatureId(7)).unwrap();
        let (sae, _) = formats::open(&demo().join("saes/attn-1")).unwrap();
        assert_eq!(link.fingerprint, sae.fingerprint());
        link.check().unwrap();
        let refused = |change: &dyn Fn(&mut Link)| {
            let mut link = link.clone();
            change(&mut link);
            link.check().unwrap_err().to_string()
        };
        let wrong = refused(&|link| link.fingerprint = "0".repeat(64));
        assert!(wrong.contains("000000000000…"), "{wrong}");
        let wrong = refused(&|link| link.dictionary = "attn-2".to_owned());
        assert!(wrong.contains("fingerprint"), "{wrong}");
        let wrong = refused(&|link| link.dictionary = "attn-9".to_owned());
        assert!(
            wrong.contains("`attn-9`") && wrong.contains("attn-0"),
            "{wrong}"
        );
        let most = FeatureId::from(sae.features());
        let wrong = refused(&|link| link.feature = most);
        assert!(wrong.contains(&format!("no feature {most}")), "{wrong}");
        let wrong = refused(&|link| link.project = demo().join("model"));
        assert!(wrong.contains("umbra.toml"), "{wrong}");
        assert!(Link::new(&demo(), "attn-1", most).is_err());
        assert!(Link::new(&demo(), "none", FeatureId(0)).is_err());
    }

    #[test]
    fn of_two_dictionaries_of_one_name_the_fingerprint_tells_which() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::create(&folder.path().join("p"), "p").unwrap();
        let mut links = vec![];
        for (place, of) in [("a", "attn-1"), ("b", "attn-2")] {
            let (sae, _) = formats::open(&demo().join("saes").join(of)).unwrap();
            let own = folder.path().join(place).join("same");
            formats::save(&sae, &own, Precision::F32).unwrap();
            project.entries.push(Entry {
                sae: own,
                index: None,
            });
            let mut link = link("/", "same");
            link.project.clone_from(&project.folder);
            link.fingerprint = sae.fingerprint();
            links.push(link);
        }
        project.save().unwrap();
        for link in &mut links {
            link.check().unwrap();
            link.fingerprint = "0".repeat(64);
            assert!(link.check().is_err());
        }
    }
}
