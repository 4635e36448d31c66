//! Decides by their endings which files are text.

use std::path::Path;

/// Endings of text files, for sentences.
pub(super) const NAMED: &str =
    ".txt, .jsonl, .ndjson, .json (each also with .gz or .zst behind) or .parquet";

/// Endings of text files, for a file dialog.
pub const ENDINGS: &[&str] = &["txt", "jsonl", "ndjson", "json", "gz", "zst", "parquet"];

/// Returns whether the ending of `path` is one of text; a `.json` file may be something else.
pub fn is_text(path: &Path) -> bool {
    let (holds, packing) = detect(path);
    let plain = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    holds.is_some() && !(plain && packing == Packing::None)
}

/// Content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One text.
    Text,
    /// JSON records: one per line, or an array.
    Json,
    /// A table with a column of text.
    Parquet,
}

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// Returns what `path` holds and how it is compressed; none for an ending that is not listed. A file that a person names is then plain text.
pub(super) fn detect(path: &Path) -> (Option<Holds>, Packing) {
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
        // Parquet compresses each column itself.
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
            assert_eq!(detect(Path::new(name)), want, "{name}");
        }
    }
}
