//! Functions, filters and methods that chat templates expect of Python, as transformers gives them.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Budget of one rendering: about as many steps, or 64 bytes each. A chat of a million characters under a long template takes a tenth of it.
const FUEL: u64 = 2_000_000;

/// Deepest nesting of a value that is written as JSON.
const DEEPEST: usize = 64;

/// Sentence with which a template refuses messages.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Returns the sentence of `raise_exception`, if the error is one.
pub(super) fn refusal(error: &Error) -> Option<&str> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Refusal(said)) = error.downcast_ref() {
            return Some(said);
        }
        cause = error.source();
    }
    None
}

/// Makes the environment of transformers' `apply_chat_template`, at the time `now`.
pub(super) fn environment(now: SystemTime) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", |said: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal(said)))
    });
    environment.add_function("strftime_now", move |format: String| date(now, &format));
    environment.add_filter("tojson", to_json);
    Ok(environment)
}

/// Writes `now` in UTC by a format of C's `strftime`.
fn date(now: SystemTime, format: &str) -> Result<String, Error> {
    let refused = || {
        let what = format!("strftime_now cannot write the date as {format:?}");
        Error::new(ErrorKind::InvalidOperation, what)
    };
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let mut text = String::new();
    write!(text, "{}", time.ok_or_else(refused)?.format(format)).map_err(|_| refused())?;
    Ok(text)
}

/// Layout of JSON, as Python's `json.dumps` has it.
struct Layout {
    indent: Option<usize>,
    item: String,
    key: String,
    sorted: bool,
    ascii: bool,
}

/// Writes a value as Python's `json.dumps(value, ensure_ascii=False)` does.
#[expect(
    clippy::needless_pass_by_value,
    reason = "filters take their options by value"
)]
fn to_json(state: &State<'_, '_>, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        _ => (", ".to_owned(), ": ".to_owned()),
    };
    let layout = Layout {
        indent,
        item,
        key,
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut text = String::new();
    write_json(state, value, &layout, 0, &mut text)?;
    Ok(Value::from(text))
}

fn write_json(
    state: &State<'_, '_>,
    value: &Value,
    layout: &Layout,
    depth: usize,
    text: &mut String,
) -> Result<(), Error> {
    state.consume_fuel(1)?;
    let refused = |what: &str| Error::new(ErrorKind::InvalidOperation, what.to_owned());
    if depth > DEEPEST {
        return Err(refused("a value for tojson is nested too deeply"));
    }
    match value.kind() {
        ValueKind::None => text.push_str("null"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => text.push_str(&value.to_string()),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), layout.ascii, text),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                state.consume_fuel(1)?;
                items.push((None, item));
            }
            write_items(state, &items, layout, (depth, ['[', ']']), text)?;
        }
        ValueKind::Map => {
            let mut items = Vec::new();
            for key in value.try_iter()? {
                state.consume_fuel(1)?;
                let item = value.get_item(&key)?;
                items.push((Some(key), item));
            }
            if layout.sorted {
                items.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            write_items(state, &items, layout, (depth, ['{', '}']), text)?;
        }
        other => {
            return Err(refused(&format!(
                "tojson cannot write a value of kind {other}"
            )));
        }
    }
    Ok(())
}

fn write_items(
    state: &State<'_, '_>,
    items: &[(Option<Value>, Value)],
    layout: &Layout,
    (depth, [open, close]): (usize, [char; 2]),
    text: &mut String,
) -> Result<(), Error> {
    let broken = |depth: usize, text: &mut String| {
        if let Some(indent) = layout.indent.filter(|_| !items.is_empty()) {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent.min(16) * depth));
        }
    };
    text.push(open);
    for (n, (key, item)) in items.iter().enumerate() {
        if n > 0 {
            text.push_str(&layout.item);
        }
        broken(depth + 1, text);
        if let Some(key) = key {
            match key.as_str() {
                Some(key) => quote(key, layout.ascii, text),
                None => quote(&key.to_string(), layout.ascii, text),
            }
            text.push_str(&layout.key);
        }
        write_json(state, item, layout, depth + 1, text)?;
    }
    broken(depth, text);
    text.push(close);
    Ok(())
}

/// Writes `value` in quotes.
fn quote(value: &str, ascii: bool, text: &mut String) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if u32::from(c) < 0x20 || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(text, "\\u{unit:04x}").expect("a string takes everything");
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
}
