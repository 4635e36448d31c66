//! Edits as TOML: tables `[[edit]]` with `action` and the keys of the written form; `on = false` switches one off.

use toml::Value;

use super::EditSpec;
use crate::error::{Error, Result};

/// Edit of a file, and whether it is in force.
pub type Switched = (EditSpec, bool);

/// Key that switches an edit off.
const ON: &str = "on";

/// Reads tables `[[edit]]`, those that are switched off too. The errors name no file.
pub fn edits_from_toml(text: &str) -> Result<Vec<Switched>> {
    let wrong = |what: String| Error::setting("edits", what);
    let mut table: toml::Table = text
        .parse()
        .map_err(|e| wrong(format!("the text is not TOML ({e})")))?;
    let Some(Value::Array(edits)) = table.remove("edit") else {
        return Err(wrong("there are no tables [[edit]]".to_owned()));
    };
    if let Some(key) = table.keys().next() {
        return Err(wrong(format!(
            "there is the key `{key}`, only tables [[edit]] are allowed"
        )));
    }
    let spec = |edit: Value| {
        let Value::Table(mut keys) = edit else {
            let what = "there is an edit that is not a table, write [[edit]]";
            return Err(wrong(what.to_owned()));
        };
        let on = match keys.remove(ON) {
            None => true,
            Some(Value::Boolean(on)) => on,
            Some(other) => return Err(wrong(format!("`on = {other}` is not true or false"))),
        };
        let keys = keys.into_iter().map(|(key, value)| (key, plain(value)));
        Ok((EditSpec::from_keys(keys.collect())?, on))
    };
    edits.into_iter().map(spec).collect()
}

/// Writes tables `[[edit]]` that [`edits_from_toml`] reads.
pub fn edits_to_toml<'a>(edits: impl IntoIterator<Item = (&'a EditSpec, bool)>) -> String {
    let tables = edits.into_iter().map(|(edit, on)| {
        let off = Some((ON.to_owned(), Value::Boolean(false))).filter(|_| !on);
        let keys = off.into_iter().chain(written(edit));
        let lines: Vec<String> = keys
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        format!("[[edit]]\n{}", lines.concat())
    });
    let tables: Vec<String> = tables.collect();
    tables.join("\n")
}

/// Returns the keys of an edit with their values as TOML, in the order of the written form.
fn written(edit: &EditSpec) -> Vec<(String, Value)> {
    let words = shlex::split(&edit.to_string()).unwrap_or_default();
    let pairs = words
        .into_iter()
        .enumerate()
        .map(|(i, word)| match word.split_once('=') {
            Some((key, value)) if i > 0 => (key.to_owned(), typed(key, value)),
            _ => ("action".to_owned(), Value::String(word)),
        });
    pairs.collect()
}

/// Writes a value as a number or a list of numbers where its key takes one.
fn typed(key: &str, value: &str) -> Value {
    let number = |text: &str| -> Option<Value> {
        let whole = text.parse().ok().map(Value::Integer);
        let float = || text.parse::<f64>().ok().filter(|x| x.is_finite());
        whole.or_else(|| float().map(Value::Float))
    };
    let one = match key {
        "strength" | "by" | "value" | "least" | "most" => number(value),
        "feature" | "heads" | "rows" => {
            let many: Option<Vec<Value>> = value.split(',').map(number).collect();
            many.map(|mut many| match many.len() {
                1 if key == "feature" => many.remove(0),
                _ => Value::Array(many),
            })
        }
        _ => None,
    };
    one.unwrap_or_else(|| Value::String(value.to_owned()))
}

/// Writes a TOML value as it would stand after `key=`.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(values) => {
            let values: Vec<_> = values.into_iter().map(plain).collect();
            values.join(",")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_it_is_read() {
        let edits = [
            ("add feature=12 strength=8.5 sae=resid-2", true),
            ("add feature=12 strength=0.1", false),
            (
                "zero hook=blocks.1.attn.hook_z heads=3,5 positions=1.. rows=0",
                true,
            ),
            (
                "set-feature feature=1,2 value=-0.3333333 error=frozen",
                true,
            ),
            (
                "clamp file='my vectors.safetensors' key=\"it's\" least=-1 most=200000000",
                true,
            ),
            (
                "patch from='\"Well,\" said\nthe fox' hook=blocks.0.hook_mlp_out",
                true,
            ),
            (
                "orthogonal feature=3 by=2 positions='after: king,role:user'",
                true,
            ),
        ];
        let edits = edits.map(|(text, on)| (text.parse::<EditSpec>().unwrap(), on));
        let text = edits_to_toml(edits.iter().map(|(edit, on)| (edit, *on)));
        let read = edits_from_toml(&text).unwrap();
        assert_eq!(read, edits);
        let again = edits_to_toml(read.iter().map(|(edit, on)| (edit, *on)));
        assert_eq!(again.as_bytes(), text.as_bytes());
        assert!(
            text.contains("strength = 8.5\n") && text.contains("heads = [3, 5]\n"),
            "{text}"
        );
        assert!(
            text.contains("feature = [1, 2]\n") && text.contains("on = false\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_file_of_edits_is_refused() {
        let refused = |text: &str, phrase: &str| {
            let said = edits_from_toml(text).unwrap_err().to_string();
            assert!(said.contains(phrase), "{said}");
        };
        refused("[[edit", "not TOML");
        refused("name = 3", "no tables");
        refused("edit = [3]", "not a table");
        refused("x = 1\n[[edit]]\naction = \"zero\"", "`x`");
        refused("[[edit]]\naction = \"zero\"\non = 3", "true or false");
        refused("[[edit]]\nfeature = 3", "names no action");
    }
}
