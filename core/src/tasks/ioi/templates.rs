//! Sentences with two names from templates.

use std::fmt;
use std::str::FromStr;

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Sentence, Task, task, words};
use crate::error::{Error, Result};
use crate::heads::ioi;
use crate::models::Model;
use crate::tasks::LEAST;

/// Templates of sentences. `[A]` and `[B]` are the names in their order, `[C]` is S, `[PLACE]` and `[OBJECT]` are words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Templates {
    /// Short sentences of children's books, with which the demo's model was trained.
    #[default]
    Short,
    /// Those of Makelov et al. 2024: two build, the third tests.
    Paper,
    /// Those of a person.
    Own(Vec<String>),
}

impl FromStr for Templates {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "short" => Ok(Self::Short),
            "paper" => Ok(Self::Paper),
            _ => {
                let what = format!("`{name}` is none, choose short or paper, or give a file");
                Err(Error::setting("templates", what))
            }
        }
    }
}

impl fmt::Display for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "short",
            Self::Paper => "paper",
            Self::Own(_) => "own",
        })
    }
}

impl Templates {
    /// Reads the templates of a file, one a line.
    pub fn from_text(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        let lacking = lines.iter().find(|line| {
            let once = |mark: &str| line.matches(mark).count() == 1;
            !(once("[A]") && once("[B]") && once("[C]"))
        });
        if let Some(line) = lacking {
            let what = format!(
                "“{line}” must hold [A], [B] and [C] once each; [PLACE] and [OBJECT] are optional"
            );
            return Err(Error::setting("templates", what));
        }
        if lines.is_empty() {
            return Err(Error::setting(
                "templates",
                "the file holds none: give one a line",
            ));
        }
        Ok(Self::Own(lines))
    }

    /// Returns names, places and objects: the short sentences have those of [`ioi`], with which the demo's model was trained, the others many more.
    fn words(&self) -> [Vec<&'static str>; 3] {
        let (names, places, objects) = (ioi::NAMES.into_iter(), ioi::PLACES, ioi::OBJECTS);
        if *self == Self::Short {
            return [names.collect(), places.to_vec(), objects.to_vec()];
        }
        [
            words::HE.into_iter().chain(words::SHE).collect(),
            places.into_iter().chain(words::PLACES).collect(),
            objects.into_iter().chain(words::OBJECTS).collect(),
        ]
    }

    /// Returns the templates of the half that builds and of the half that tests.
    fn halves(&self) -> [Vec<String>; 2] {
        match self {
            Self::Short => {
                let all = ioi::FRAMES.map(bracketed).to_vec();
                [all.clone(), all]
            }
            Self::Paper => {
                let [one, two, three] = words::PAPER.map(str::to_owned);
                [vec![one, two], vec![three]]
            }
            Self::Own(lines) => [lines.clone(), lines.clone()],
        }
    }
}

/// Writes a frame of [`ioi::FRAMES`] as a template.
fn bracketed(frame: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', '.']);
        let mark = match bare {
            "A" | "B" | "PLACE" | "OBJECT" => format!("[{bare}]"),
            "S" => "[C]".to_owned(),
            other => other.to_owned(),
        };
        format!("{mark}{}", &word[bare.len()..])
    };
    frame.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Returns the words that are one token of the model.
fn single<'w>(model: &Model, words: impl IntoIterator<Item = &'w str>) -> Result<Vec<&'w str>> {
    let mut kept = Vec::new();
    for word in words {
        if ioi::spaced(model, word)?.is_some() && !kept.contains(&word) {
            kept.push(word);
        }
    }
    Ok(kept)
}

/// Makes a task of `count` sentences, in each half as many that name IO first as S first (one more for odd numbers); `seed` decides names, places and objects.
pub fn from_templates(
    model: &Model,
    templates: &Templates,
    (count, seed): (usize, u64),
) -> Result<Task> {
    if count < LEAST {
        let what = format!("{count} prompts are too few: give at least {LEAST}");
        return Err(Error::setting("prompts", what));
    }
    let [names, places, objects] = templates.words();
    let (names, places, objects) = (
        single(model, names)?,
        single(model, places)?,
        single(model, objects)?,
    );
    if names.len() < 4 || places.is_empty() || objects.is_empty() {
        let what = format!(
            "{} names, {} places and {} objects of the templates are one token of {}, four names, a place and an object are needed: give prompts of your own",
            names.len(),
            places.len(),
            objects.len(),
            model.name()
        );
        return Err(Error::setting("prompts", what));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sentences = Vec::with_capacity(count);
    let half = count / 2;
    let sizes = [half, count - half];
    for (templates, size) in templates.halves().iter().zip(sizes) {
        let mut part = Vec::with_capacity(size);
        for number in 0..size {
            let two: Vec<&str> = names.choose_multiple(&mut rng, 2).copied().collect();
            let [io, s] = [two[0], two[1]];
            let [a, b] = if number % 2 == 0 { [io, s] } else { [s, io] };
            let template = &templates[rng.random_range(0..templates.len())];
            let place = places[rng.random_range(0..places.len())];
            let object = objects[rng.random_range(0..objects.len())];
            let fill = [
                ("[A]", a),
                ("[B]", b),
                ("[C]", s),
                ("[PLACE]", place),
                ("[OBJECT]", object),
            ];
            let text = fill
                .into_iter()
                .fold(template.clone(), |text, (mark, word)| {
                    text.replace(mark, word)
                });
            part.push(Sentence {
                text,
                io: format!(" {io}"),
                s: format!(" {s}"),
            });
        }
        part.shuffle(&mut rng);
        sentences.extend(part);
    }
    task(model, &sentences)
}
