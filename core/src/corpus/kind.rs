//! Which files are text, by their endings.

use std::path::Path;

/// Endings of the files that a folder is searched for, in a sentence.
pub(super) const NAMED: &str =
    ".txt, .jsonl, .ndjson, .json (each also with .gz or .zst behind) or .parquet";

/// Last endings of files of text, for a dialog that chooses one.
pub const ENDINGS: &[&str] = &["txt", "jsonl", "ndjson", "json", "gz", "zst", "parquet"];

/// Whether `path` is text by its ending; a `.json` file may be something else.
pub fn is_text(path: &Path) -> bool {
    let (holds, packing) = of(path);
    let plain = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    holds.is_some() && !(plain && packing == Packing::None)
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One text.
    Text,
    /// Records as JSON: one a line, or an array of them.
    Json,
    /// A column of a table.
    Parquet,
}

/// How it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// What `path` holds and how it is packed; nothing is known of an ending that is not in the list, which is plain text where a person names the file.
pub(super) fn of(path: &Path) -> (Option<Holds>, Packing) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    let (name, packing) = if let Some(name) = name.strip_suffix(".gz") {
        (name, Packing::Gzip)
    } else if let Some(name) = name
        .strip_suffix(".zst")
        .or_else(|| name.strip_suffix(".zstd"))
    {
        (name, Packing::Zstd)
    } else {
        (name.as_str(), Packing::None)
    };
    let holds = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("txt") => Some(Holds::Text),
        Some("jsonl" | "ndjson" | "json") => Some(Holds::Json),
        // Packed column by column inside.
        Some("parquet") if packing == Packing::None => Some(Holds::Parquet),
        _ => None,
    };
    (holds, packing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_what_a_file_holds_and_how_it_is_packed() {
        use Holds::{Json, Parquet, Text};
        use Packing::{Gzip, None as Plain, Zstd};
        for (name, want) in [
            ("a.txt", (Some(Text), Plain)),
            ("A.TXT.GZ", (Some(Text), Gzip)),
            ("a.b.ndjson", (Some(Json), Plain)),
            ("a.json.gz", (Some(Json), Gzip)),
            ("a.jsonl.zst", (Some(Json), Zstd)),
            ("a.jsonl.zstd", (Some(Json), Zstd)),
            ("a.parquet", (Some(Parquet), Plain)),
            ("a.parquet.gz", (None, Gzip)),
            ("a.md", (None, Plain)),
            ("txt", (None, Plain)),
            (".gz", (None, Gzip)),
        ] {
            assert_eq!(of(Path::new(name)), want, "{name}");
        }
    }
}
