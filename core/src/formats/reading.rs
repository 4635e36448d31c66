//! Decides how text is read for a dictionary: row length and the positions that count are those asked for, else those in its file, else the defaults. The
//! command line and the window both read text here, so that a dictionary is read one way.

use serde_json::Value;

use crate::corpus::{Content, Corpus, Mask, Positions, Rows};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::TokenId;
use crate::models::Model;
use crate::sae::{Provenance, Sae};
use crate::store::SEPARATE_DOCUMENTS;

/// Key of the rule in a dictionary's metadata.
const RULE: &str = "positions";
/// Key under which SAELens says which tokens training left out: `true`, `false` or a list of ids.
const EXCLUDED: &str = "exclude_special_tokens";

/// Requested reading; what is not given follows the dictionary's file or the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Tokens per row.
    pub context: Option<usize>,
    /// Positions that count.
    pub positions: Option<Positions>,
    /// Whether documents packed in one row are kept apart.
    pub separate_documents: Option<bool>,
}

/// Packs `corpus` into rows for `model` and, if there is one, its dictionary. The notes say what the dictionary's file decided.
pub fn rows(
    corpus: &Corpus,
    model: &Model,
    sae: Option<&Sae>,
    asked: Reading,
) -> Result<(Rows, Notes)> {
    let (rows, mut notes) = counted(corpus, model, sae, asked)?;
    let own = sae.and_then(|sae| kept_apart(&sae.provenance));
    let apart = asked.separate_documents.or(own).unwrap_or(false);
    if apart {
        model.codec().bos_between_documents()?;
    }
    if let Some(own) = own.filter(|own| *own != apart) {
        notes.add(format!(
            "The dictionary was trained {} and is read the other way here ({}={apart})",
            if own {
                "with documents kept apart"
            } else {
                "with attention across documents"
            },
            Key::SeparateDocuments
        ));
    }
    let rows = rows.with_separate_documents(apart);
    if let Some(note) = rows.note_on_documents() {
        notes.add(note);
    }
    Ok((rows, notes))
}

/// Returns rows whose positions count by the rule asked for, the dictionary's or the default.
fn counted(
    corpus: &Corpus,
    model: &Model,
    sae: Option<&Sae>,
    asked: Reading,
) -> Result<(Rows, Notes)> {
    let longest = model.config().context;
    if let Some(context) = asked.context.filter(|context| *context > longest) {
        let what = format!("{context} tokens exceed the model's context of {longest}, give fewer");
        return Err(Error::setting(Key::Context, what));
    }
    let usual = corpus.usual_context(longest);
    let text = (corpus.documents.first()).is_some_and(|d| matches!(d.content, Content::Text(_)));
    let own = sae.and_then(|sae| sae.provenance.context);
    let own = own
        .map(|own| own.min(longest))
        .filter(|own| text && *own > 1);
    let context = asked.context.or(own).unwrap_or(usual);
    let (rows, packed) = corpus.rows(model.codec(), context)?;
    let mut notes = Notes::default();
    if asked.context.is_none() && own.is_some_and(|own| own != usual) {
        notes.add(format!(
            "Rows have {context} tokens, as the dictionary's file says (context_size)"
        ));
    }
    for note in packed.iter() {
        notes.add(note);
    }
    if let Some(rule) = asked.positions {
        return Ok((rows.by(rule), notes));
    }
    let Some((mask, said)) = sae.and_then(|sae| mask(&sae.provenance, rows.mask())) else {
        return Ok((rows, notes));
    };
    if mask != *rows.mask() {
        notes.add(format!(
            "Positions count by `{}`, as the dictionary's file says ({said}); {} gives another rule",
            mask.rule,
            Key::Positions
        ));
    }
    Ok((rows.masked(mask), notes))
}

/// Returns the mask that a dictionary's metadata names, with its key and value; `usual` has the special tokens of the model.
fn mask(from: &Provenance, usual: &Mask) -> Option<(Mask, String)> {
    let with = |rule, special: &[TokenId]| Mask {
        rule,
        special: special.to_vec(),
    };
    if let Some(rule) = rule(from) {
        return Some((with(rule, &usual.special), format!("{RULE}: {rule}")));
    }
    let excluded = from.other.get(EXCLUDED)?;
    let mask = match excluded {
        Value::Bool(true) => with(Positions::SaeLens, &usual.special),
        Value::Bool(false) => with(Positions::All, &usual.special),
        Value::Array(ids) => {
            let ids = ids.iter().filter_map(Value::as_u64);
            let ids = ids.filter_map(|id| u32::try_from(id).ok()).map(TokenId);
            with(Positions::SaeLens, &ids.collect::<Vec<_>>())
        }
        _ => return None,
    };
    Some((mask, format!("{EXCLUDED}: {excluded}")))
}

/// Returns the rule that Umbra recorded in a dictionary's metadata.
pub fn rule(from: &Provenance) -> Option<Positions> {
    from.other.get(RULE)?.as_str()?.parse().ok()
}

/// Records in `provenance` the rule by which positions counted and, for SAELens, the tokens that were left out.
pub fn name_positions(provenance: &mut Provenance, mask: &Mask) {
    let other = &mut provenance.other;
    other.insert(RULE.to_owned(), mask.rule.name().into());
    let excluded: Option<Value> = match mask.rule {
        Positions::Text | Positions::SaeLens => Some(mask.special.iter().map(|id| id.0).collect()),
        Positions::First => None,
        Positions::All => Some(false.into()),
    };
    match excluded {
        Some(excluded) => other.insert(EXCLUDED.to_owned(), excluded),
        None => other.remove(EXCLUDED),
    };
}

/// Records in `provenance` whether documents packed in one row were kept apart.
pub fn name_documents(provenance: &mut Provenance, apart: bool) {
    let other = &mut provenance.other;
    other.insert(SEPARATE_DOCUMENTS.to_owned(), apart.into());
}

/// Returns whether training kept documents packed in one row apart, where a dictionary's metadata says so.
pub fn kept_apart(from: &Provenance) -> Option<bool> {
    from.other.get(SEPARATE_DOCUMENTS)?.as_bool()
}

/// Returns whether `key` of a dictionary's metadata concerns its positions.
pub(crate) fn is_of_positions(key: &str) -> bool {
    [RULE, EXCLUDED, SEPARATE_DOCUMENTS].contains(&key)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn demo() -> (Model, Sae) {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let (sae, _) = crate::formats::open(&demo.join("saes/attn-0")).unwrap();
        (Model::open(&demo.join("model")).unwrap().0, sae)
    }

    fn text() -> Corpus {
        Corpus::from_text("words", &"one two three four five six. ".repeat(200))
    }

    #[test]
    fn a_dictionary_s_file_decides_what_nobody_asks_for() {
        let (model, mut sae) = demo();
        let read = |sae: &Sae, asked| rows(&text(), &model, Some(sae), asked).unwrap();
        let check = |sae: &Sae, rule, special: &[u32], said: &str| {
            let (rows, notes) = read(sae, Reading::default());
            let special: Vec<TokenId> = special.iter().copied().map(TokenId).collect();
            assert_eq!(*rows.mask(), Mask { rule, special });
            let decided = |note: &str| note.contains("dictionary's file says");
            let said_so = notes.iter().find(|note| decided(note));
            assert_eq!(said_so.is_some(), !said.is_empty());
            assert!(said_so.is_none_or(|note| note.contains(said)));
        };
        // The demo's dictionaries were trained before the rule was recorded.
        sae.provenance.context = Some(256);
        check(&sae, Positions::Text, &[0], "");
        let excluded = |value: Value| {
            let mut sae = sae.clone();
            sae.provenance.other.insert(EXCLUDED.to_owned(), value);
            sae
        };
        let said = "exclude_special_tokens";
        check(&excluded(json!(true)), Positions::SaeLens, &[0], said);
        check(&excluded(json!(false)), Positions::All, &[0], said);
        check(&excluded(json!([7, 9])), Positions::SaeLens, &[7, 9], said);
        check(&excluded(Value::Null), Positions::Text, &[0], "");
        // Umbra's own record comes before it.
        let mut first = excluded(json!(true));
        let mask = Mask {
            rule: Positions::First,
            special: vec![TokenId(0)],
        };
        name_positions(&mut first.provenance, &mask);
        check(&first, Positions::First, &[0], "positions: first");
        // A request overrides both.
        let asked = Reading {
            context: Some(32),
            positions: Some(Positions::All),
            separate_documents: None,
        };
        let (rows, notes) = read(&first, asked);
        assert_eq!((rows.context(), rows.mask().rule), (32, Positions::All));
        assert!(notes.iter().all(|note| !note.contains("dictionary's file")));
    }

    #[test]
    fn rows_are_as_long_as_in_training_and_no_longer_than_the_model_takes() {
        let (model, mut sae) = demo();
        let mut check = |own, want, said| {
            sae.provenance.context = own;
            let (rows, notes) = rows(&text(), &model, Some(&sae), Reading::default()).unwrap();
            assert_eq!(rows.context(), want);
            let noted = notes.iter().any(|note| note.contains("context_size"));
            assert_eq!(noted, said, "{own:?}");
        };
        check(Some(128), 128, true);
        check(Some(4_096), 256, false);
        check(Some(256), 256, false);
        check(None, 256, false);
    }
}
