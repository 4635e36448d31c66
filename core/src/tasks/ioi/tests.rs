//! Sentences with two names against their rules.

use super::*;

fn model() -> Model {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    Model::open(path).unwrap().0
}

#[test]
fn prompts_from_templates_are_balanced_in_both_halves_and_follow_their_seed() {
    let model = model();
    let made = |seed| from_templates(&model, &Templates::Short, (40, seed)).unwrap();
    let task = made(1);
    for half in [task.builds(), task.tests()] {
        let abb = half
            .iter()
            .filter(|prompt| prompt.values[2] == "ABB")
            .count();
        assert_eq!((half.len(), abb), (20, 10));
    }
    assert_eq!(task, made(1));
    assert_ne!(task, made(2));
}

#[test]
fn a_counterfactual_changes_one_attribute_by_its_rule() {
    let model = model();
    let task = from_templates(&model, &Templates::Short, (30, 0)).unwrap();
    let mut names: Vec<&str> = task
        .prompts
        .iter()
        .flat_map(|prompt| prompt.values[..2].iter().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    let codec = model.codec();
    for prompt in &task.prompts {
        let [io, s, pos] = [0, 1, 2].map(|at| prompt.values[at].as_str());
        for (attribute, own) in [(0, io), (1, s)] {
            let other = prompt.counterfactuals[attribute].as_ref().unwrap();
            let from = names.iter().position(|name| *name == own).unwrap();
            let mut around = names[from + 1..].iter().chain(&names[..from]);
            let next = around.find(|name| **name != io && **name != s).unwrap();
            assert_eq!(other.values[attribute], *next);
            let text = prompt.text.replace(own, next);
            assert_eq!(
                codec.encode_with_bos(&text).unwrap(),
                other.tokens,
                "{text}"
            );
            assert_eq!(other.values[2], pos);
        }
        let swapped = prompt.counterfactuals[2].as_ref().unwrap();
        assert_ne!(swapped.values[2], pos);
        let [at_io, s1, ..] = prompt.positions[..] else {
            panic!()
        };
        assert_eq!(swapped.positions[..2], [s1, at_io]);
        assert_eq!(swapped.tokens[s1], prompt.tokens[at_io]);
        let derived = task.attribute("first").unwrap();
        assert_eq!(swapped.values[derived], prompt.values[derived + 1]);
    }
}

#[test]
fn a_written_file_reads_back_as_the_task_that_wrote_it() {
    let model = model();
    let task = from_templates(&model, &Templates::Short, (12, 5)).unwrap();
    let text = to_text(&task).unwrap();
    assert_eq!(from_text(&model, &text).unwrap(), task);
    // Positions of another model, and an order that the text does not have, are refused.
    for wrong in [
        text.replacen("\"s2\":1", "\"s2\":2", 1),
        text.replacen("ABB", "BAB", 1).replacen("BAB", "ABB", 2),
    ] {
        let refused = from_text(&model, &wrong).unwrap_err().to_string();
        assert!(
            refused.contains("line") && refused.contains("another model"),
            "{refused}"
        );
    }
}

#[test]
fn sentences_that_do_not_fit_are_refused_by_what_they_lack() {
    let model = model();
    let cases = [
        (
            " Mary",
            " John",
            "When Mary and Tom sang, Tom smiled at",
            "times",
        ),
        (
            " Xylophonia",
            " Tom",
            "When Xylophonia and Tom sang, Tom smiled at",
            "not one token",
        ),
        (
            " Mary",
            " Tom",
            "When Mary and Tom sang, Tom and Mary smiled at",
            "once",
        ),
    ];
    for (io, s, text, said) in cases {
        let sentence = Sentence {
            text: text.to_owned(),
            io: io.to_owned(),
            s: s.to_owned(),
        };
        let refused = task(&model, &[sentence]).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    let own = Templates::from_text("Then [A] met [B], and [C] waved to\n").unwrap();
    assert_eq!(
        from_templates(&model, &own, (8, 0)).unwrap().prompts.len(),
        8
    );
    assert!(Templates::from_text("[A] met [B]").is_err());
}

#[test]
fn the_paper_s_third_template_only_tests() {
    let model = model();
    let task = from_templates(&model, &Templates::Paper, (20, 0)).unwrap();
    let third = |prompt: &Prompt| prompt.text.contains("were working at");
    assert!(task.tests().iter().all(third));
    assert!(!task.builds().iter().any(third));
}
