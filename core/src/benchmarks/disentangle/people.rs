//! Generated questions on people, whose name and gender a small model can know.

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::lines::question;
use super::{Question, Questions};
use crate::error::{Error, Result};
use crate::heads::ioi::{FRAMES, NAMES, OBJECTS, PLACES, spaced};
use crate::models::Model;

/// Questions of each attribute, by default.
pub const QUESTIONS: usize = 600;
/// Names that the questions need, at least.
const LEAST_NAMES: usize = 4;

/// Names that go with "she"; the others of [`NAMES`] go with "he".
const SHE: [&str; 19] = [
    "Mary", "Alice", "Sarah", "Emma", "Lucy", "Jane", "Kate", "Rose", "Margaret", "Martha",
    "Susan", "Laura", "Helen", "Clara", "Grace", "Nancy", "Amy", "Anna", "Ruth",
];

/// Sentences that ask for the gender of A.
const GENDER: [&str; 8] = [
    "Then A smiled because",
    "Then A laughed because",
    "Then A cried because",
    "Then A ran home because",
    "Then A was happy because",
    "That day A was glad because",
    "That day A was angry because",
    "That day A was tired because",
];

/// Makes `count` questions for the name and as many for the gender of people, whose names are one token of the model: a sentence with two names that the person's name
/// completes, and one that "he" or "she" goes on.
pub fn from_people(model: &Model, count: usize, seed: u64) -> Result<Questions> {
    let mut names = Vec::new();
    for name in NAMES {
        if spaced(model, name)?.is_some() {
            names.push(name);
        }
    }
    if names.len() < LEAST_NAMES || !names.iter().any(|name| SHE.contains(name)) {
        let what = format!(
            "{} has {} of the program's names as one token, too few for questions on people: give a file of questions",
            model.name(),
            names.len()
        );
        return Err(Error::setting("questions", what));
    }
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut questions = Vec::with_capacity(2 * count);
    for attribute in 0..2 {
        let mut order: Vec<&str> = Vec::new();
        for _ in 0..count {
            if order.is_empty() {
                order.clone_from(&names);
                order.shuffle(&mut chance);
            }
            let name = order.pop().unwrap_or(names[0]);
            questions.push(match attribute {
                0 => of_name(model, (name, &names), &mut chance)?,
                _ => of_gender(model, name, &mut chance)?,
            });
        }
    }
    Ok(Questions {
        attributes: vec!["name".to_owned(), "gender".to_owned()],
        questions,
    })
}

fn of_name(
    model: &Model,
    (name, names): (&str, &[&str]),
    chance: &mut ChaCha8Rng,
) -> Result<Question> {
    let others: Vec<&&str> = names.iter().filter(|other| **other != name).collect();
    let pick = |from: &[&'static str], chance: &mut ChaCha8Rng| {
        from.choose(chance).copied().unwrap_or_default()
    };
    let other = others.choose(chance).map_or(name, |other| **other);
    let frame = pick(&FRAMES, chance);
    let (place, object) = (pick(&PLACES, chance), pick(&OBJECTS, chance));
    let (first, second) = if chance.random::<bool>() {
        (name, other)
    } else {
        (other, name)
    };
    let text: Vec<String> = frame
        .split(' ')
        .map(|word| {
            let bare = word.trim_end_matches([',', '.']);
            let filled = match bare {
                "A" => first,
                "B" => second,
                "S" => other,
                "PLACE" => place,
                "OBJECT" => object,
                other => other,
            };
            format!("{filled}{}", &word[bare.len()..])
        })
        .collect();
    made(model, (&text.join(" "), name), (0, &format!(" {name}")))
}

fn of_gender(model: &Model, name: &str, chance: &mut ChaCha8Rng) -> Result<Question> {
    let frame = GENDER.choose(chance).copied().unwrap_or_default();
    let text: Vec<&str> = frame
        .split(' ')
        .map(|word| if word == "A" { name } else { word })
        .collect();
    let answer = if SHE.contains(&name) { " she" } else { " he" };
    made(model, (&text.join(" "), name), (1, answer))
}

fn made(
    model: &Model,
    (text, name): (&str, &str),
    (attribute, answer): (usize, &str),
) -> Result<Question> {
    question(model, (text, name), (attribute, answer))
        .map_err(|why| Error::setting("questions", format!("“{text}” {why}")))
}
