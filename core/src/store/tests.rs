//! Tests stores written in pieces, stopped, damaged, and with wrong manifests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use serde_json::{Map, json};

use super::*;
use crate::Flow;
use crate::corpus::{Mask, Positions};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::Processing;

const CONTEXT: usize = 4;
const ROWS: usize = 11;

fn hooks() -> [HookPoint; 2] {
    [
        HookPoint::block(0, Site::Z),
        HookPoint::block(2, Site::ResidPost),
    ]
}

fn about(dtype: Dtype, gradients: bool) -> Description {
    let [z, resid] = hooks();
    Description {
        model: "numbers".to_owned(),
        model_fingerprint: Some("ab".repeat(32)),
        processing: Processing::default(),
        hooks: vec![
            HookTensor { hook: z, width: 3 },
            HookTensor {
                hook: resid,
                width: 5,
            },
        ],
        dtype,
        gradients,
        context: CONTEXT,
        rows: ROWS,
        shard_rows: 4,
        prepend_bos: true,
        mask: Mask::default(),
        counted: ROWS * (CONTEXT - 1),
        corpus: Map::from_iter([("corpus".to_owned(), json!("none"))]),
    }
}

/// Returns number `column` of token `token` of tensor `tensor`.
fn value(tensor: usize, token: usize, column: usize) -> f32 {
    ((tensor * 7919 + token * 104_729 + column * 31) % 10_007) as f32 * 0.37 - 1_500.0
}

fn values(tensor: usize, rows: std::ops::Range<usize>, width: usize) -> Matrix {
    let tokens = rows.start * CONTEXT..rows.end * CONTEXT;
    let values =
        tokens.flat_map(|token| (0..width).map(move |column| value(tensor, token, column)));
    Matrix::new(rows.len() * CONTEXT, width, values.collect()).unwrap()
}

fn append(writer: &mut Writer, rows: std::ops::Range<usize>) -> Result<()> {
    let tokens: Vec<_> = (rows.start * CONTEXT..rows.end * CONTEXT)
        .map(|token| TokenId(token as u32 * 3))
        .collect();
    let activations = [values(0, rows.clone(), 3), values(1, rows.clone(), 5)];
    let gradients = [values(2, rows.clone(), 3), values(3, rows, 5)];
    let gradients = if writer.about().gradients {
        gradients.as_slice()
    } else {
        &[]
    };
    writer.append(&Piece {
        tokens: &tokens,
        activations: &activations,
        gradients,
    })
}

/// Writes the missing rows, at most `pieces()` at a time, until `most` pieces are written.
fn fill(writer: &mut Writer, most: usize, mut pieces: impl FnMut() -> usize) {
    for _ in 0..most {
        let Some(first) = writer.next_row() else {
            return;
        };
        let rows = pieces().clamp(1, writer.room());
        append(writer, first..first + rows).unwrap();
    }
}

fn written(dtype: Dtype, gradients: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, notes) = Writer::open(folder.path(), about(dtype, gradients)).unwrap();
    assert!(notes.is_empty());
    fill(&mut writer, usize::MAX, || 3);
    folder
}

fn open(folder: &Path) -> Result<Store> {
    let (store, notes) = Store::open(folder)?;
    assert!(notes.is_empty(), "{notes:?}");
    Ok(store)
}

/// Returns all files but hidden ones, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .filter(|(name, _)| !name.starts_with('.'))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn read_all(store: &Store) -> Result<Vec<Matrix>> {
    let rows: Vec<usize> = (0..store.rows()).collect();
    store.tokens(&rows)?;
    let mut all = Vec::new();
    for hook in hooks() {
        all.push(store.activations(hook, &rows)?);
    }
    for hook in hooks().into_iter().filter(|_| store.about().gradients) {
        all.push(store.gradients(hook, &rows)?);
    }
    Ok(all)
}

fn verify(folder: &Path) -> Vec<Damage> {
    let go_on = &mut |_| Flow::Continue(());
    Store::verify(folder, go_on)
        .unwrap()
        .done()
        .unwrap()
        .damages
}

/// Checks that `got` holds the rows `order` of tensor `tensor` as `dtype` stores them.
#[track_caller]
fn check_rows(got: &Matrix, tensor: usize, order: &[usize], dtype: Dtype) {
    let stored = |x: &f32| match dtype {
        Dtype::F32 => *x,
        Dtype::F16 => f16::from_f32(*x).to_f32(),
        Dtype::Bf16 => bf16::from_f32(*x).to_f32(),
    };
    let width = [3, 5][tensor % 2];
    assert_eq!(got.rows(), order.len() * CONTEXT);
    assert_eq!(got.columns(), width);
    for (row, got) in order.iter().zip(got.values().chunks(CONTEXT * width)) {
        let want = values(tensor, *row..row + 1, width);
        let want = want.values().iter().map(stored);
        assert!(got.iter().copied().eq(want), "tensor {tensor} row {row}");
    }
}

#[test]
fn what_goes_in_comes_out_whatever_the_pieces() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let folder = written(dtype, true);
        let once = files(folder.path());
        assert_eq!(once.len(), 1 + 3);
        let mut chance = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..10 {
            let again = tempfile::tempdir().unwrap();
            let mut writer = Writer::open(again.path(), about(dtype, true)).unwrap().0;
            fill(&mut writer, usize::MAX, || chance.random_range(1..=ROWS));
            assert!(files(again.path()) == once);
        }
        let store = open(folder.path()).unwrap();
        assert_eq!((store.rows(), store.shards()), (ROWS, 3));
        let orders = [(0..ROWS).collect(), vec![10, 3, 3, 7], vec![]];
        for (tensor, hook) in hooks().into_iter().enumerate() {
            for order in &orders {
                let activations = store.activations(hook, order).unwrap();
                check_rows(&activations, tensor, order, dtype);
                let gradients = store.gradients(hook, order).unwrap();
                check_rows(&gradients, tensor + 2, order, dtype.for_gradients());
            }
        }
        assert_eq!(store.tokens(&[2]).unwrap()[1], TokenId(27));
        assert!(verify(folder.path()).is_empty());
    }
}

#[test]
fn shards_are_read_by_the_safetensors_library_too() {
    let folder = written(Dtype::F32, false);
    let bytes = std::fs::read(folder.path().join("shard-00002.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.names().len(), 3);
    let resid = file.tensor("blocks.2.hook_resid_post").unwrap();
    assert_eq!(resid.shape(), [3, CONTEXT, 5]);
    let want: Vec<u8> = values(1, 8..11, 5)
        .values()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    assert_eq!(resid.data(), want);
    assert_eq!(file.tensor("tokens").unwrap().shape(), [3, CONTEXT]);
}

#[test]
fn a_stopped_store_is_gone_on_with_and_ends_the_same() {
    let whole = files(written(Dtype::F16, true).path());
    for pieces in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let begin = || Writer::open(folder.path(), about(Dtype::F16, true));
        fill(&mut begin().unwrap().0, pieces, || 2);
        std::fs::write(folder.path().join(".umbra-x1"), "half").unwrap();
        let mut writer = begin().unwrap().0;
        // Two pieces fill a shard; the start of the next one is lost.
        assert_eq!(writer.rows_there(), (pieces / 2 * 4).min(ROWS));
        if (1..ROWS).contains(&writer.rows_there()) {
            let (store, notes) = Store::open(folder.path()).unwrap();
            assert_eq!(store.rows(), writer.rows_there());
            assert!(notes.iter().any(|note| note.contains("not finished")));
        }
        fill(&mut writer, usize::MAX, || 3);
        assert!(files(folder.path()) == whole);
        assert!(!folder.path().join(".umbra-x1").exists());
    }
}

#[test]
fn another_store_in_the_folder_is_refused_by_what_differs() {
    let folder = written(Dtype::F16, false);
    let refused = |change: fn(&mut Description)| {
        let mut other = about(Dtype::F16, false);
        change(&mut other);
        let refused = Writer::open(folder.path(), other).unwrap_err();
        refused.to_string()
    };
    for (change, words) in [
        (
            (|a| a.context = 5) as fn(&mut Description),
            ["context: 4", "here: 5"],
        ),
        (|a| a.model = "other".to_owned(), ["numbers", "other"]),
        (
            |a| a.hooks.truncate(1),
            ["hooks: ", "blocks.2.hook_resid_post"],
        ),
        (|a| a.dtype = Dtype::F32, ["f16", "f32"]),
        (|a| a.gradients = true, ["gradients", "true"]),
        (
            |a| drop(a.corpus.insert("x".to_owned(), json!(1))),
            ["corpus", "\"x\":1"],
        ),
    ] {
        let said = refused(change);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let strange = tempfile::tempdir().unwrap();
    std::fs::write(strange.path().join("thesis.tex"), "").unwrap();
    let said = Writer::open(strange.path(), about(Dtype::F16, false)).unwrap_err();
    assert!(said.to_string().contains("thesis.tex"), "{said}");
    let busy = tempfile::tempdir().unwrap();
    let first = Writer::open(busy.path(), about(Dtype::F16, false)).unwrap();
    let second = Writer::open(busy.path(), about(Dtype::F16, false));
    assert!(second.unwrap_err().to_string().contains("another program"));
    drop(first);
    Writer::open(busy.path(), about(Dtype::F16, false)).unwrap();
}

/// Damages file `name` by `change`; returns what verification and reading report.
fn damaged(name: &str, change: impl FnOnce(&Path)) -> (Vec<Damage>, String) {
    let folder = written(Dtype::F32, true);
    change(&folder.path().join(name));
    let read = Store::open(folder.path()).and_then(|(store, _)| read_all(&store));
    (verify(folder.path()), read.unwrap_err().to_string())
}

#[track_caller]
fn check_damage((found, read): (Vec<Damage>, String), word: &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].to_string().contains(word), "{found:?}");
    assert!(
        read.contains(word) && read.contains("shard-00001"),
        "{read}"
    );
}

#[test]
fn a_shard_that_is_missing_short_or_long_is_named() {
    let name = "shard-00001.safetensors";
    let length = |by: i64| {
        move |path: &Path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            let length = file.metadata().unwrap().len() as i64 + by;
            file.set_len(length.max(0) as u64).unwrap();
        }
    };
    check_damage(
        damaged(name, |path| std::fs::remove_file(path).unwrap()),
        "missing",
    );
    for by in [-1, 1, -700, -100_000] {
        check_damage(damaged(name, length(by)), "bytes long");
    }
    check_damage(
        damaged(name, |path| {
            let other = path.with_file_name("shard-00000.safetensors");
            std::fs::copy(other, path).unwrap();
        }),
        "header",
    );
}

#[test]
fn a_flipped_byte_anywhere_is_named_by_shard_and_tensor() {
    let mut chance = ChaCha8Rng::seed_from_u64(17);
    let folder = written(Dtype::F16, true);
    let whole = files(folder.path());
    let mut named = BTreeSet::new();
    for _ in 0..400 {
        let (name, bytes) = &whole[chance.random_range(0..whole.len())];
        let at = chance.random_range(0..bytes.len());
        let mut other = bytes.clone();
        other[at] ^= chance.random_range(1..=255_u8);
        let path = folder.path().join(name);
        std::fs::write(&path, &other).unwrap();
        let read = Store::open(folder.path()).and_then(|(store, _)| read_all(&store));
        let said = read.unwrap_err().to_string();
        assert!(said.contains(name) && said.lines().count() == 1, "{said}");
        if name == "manifest.json" {
            named.insert("manifest".to_owned());
        } else {
            let found = verify(folder.path());
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].shard, path);
            let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            assert_eq!(
                found[0].tensor.is_some(),
                at >= header,
                "byte {at}: {found:?}"
            );
            if let Some(tensor) = &found[0].tensor {
                let file = SafeTensors::deserialize(bytes).unwrap();
                let data = file.tensor(tensor).unwrap().data();
                let begin = data.as_ptr() as usize - bytes.as_ptr() as usize;
                assert!(
                    (begin..begin + data.len()).contains(&at),
                    "byte {at}: {tensor}"
                );
                named.insert(tensor.clone());
            }
        }
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(named.len() == 6, "{named:?}");
    assert!(verify(folder.path()).is_empty());
}

#[test]
fn a_damaged_shard_is_written_again_when_the_store_is_gone_on_with() {
    let folder = written(Dtype::F16, false);
    let whole = files(folder.path());
    let path = folder.path().join("shard-00001.safetensors");
    std::fs::write(&path, "short").unwrap();
    let (mut writer, notes) = Writer::open(folder.path(), about(Dtype::F16, false)).unwrap();
    let notes: Vec<&str> = notes.iter().collect();
    assert!(
        notes.len() == 1 && notes[0].contains("shard-00001"),
        "{notes:?}"
    );
    assert_eq!((writer.next_row(), writer.rows_there()), (Some(4), 7));
    fill(&mut writer, usize::MAX, || 3);
    assert!(files(folder.path()) == whole);
}

/// Makes a store whose manifest has `to` in place of `from`, with a matching checksum.
fn lying(from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = written(Dtype::F16, true);
    let path = folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, manifest::sealed(&text.replacen(from, to, 1))).unwrap();
    (folder, path)
}

#[test]
fn a_store_says_which_positions_count_and_an_older_one_leaves_out_the_first() {
    let whole = written(Dtype::F16, true);
    let store = Store::open(whole.path()).unwrap().0;
    assert_eq!(store.about().mask, Mask::default());
    let path = whole.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let marked = text.replace(
        "\"special\": []",
        &format!("\"special\": [{}]", store.tokens(&[3]).unwrap()[2]),
    );
    assert_ne!(marked, text);
    std::fs::write(&path, manifest::sealed(&marked)).unwrap();
    let store = Store::open(whole.path()).unwrap().0;
    assert_eq!(store.about().mask.rule, Positions::Text);
    assert!(!store.counts(&[3]).unwrap()[2] && !store.counts(&[3]).unwrap()[0]);
    // Older versions did not record the rule.
    let (from, to) = (
        text.find("  \"positions\"").unwrap(),
        text.find("  \"corpus\"").unwrap(),
    );
    let old = format!("{}{}", &text[..from], &text[to..]);
    std::fs::write(&path, manifest::sealed(&old)).unwrap();
    let store = Store::open(whole.path()).unwrap().0;
    assert_eq!(store.about().mask, Mask::unrecorded());
    assert_eq!(store.counted(), ROWS * (CONTEXT - 1));
    assert_eq!(store.counts(&[3]).unwrap(), [false, true, true, true]);
}

#[test]
fn a_capture_goes_on_by_the_rule_it_was_begun_with_and_by_no_other() {
    let described = |rule, special: &[u32]| {
        let mut about = about(Dtype::F16, true);
        about.mask = Mask {
            rule,
            special: special.iter().copied().map(TokenId).collect(),
        };
        about
    };
    // Begun by a version that recorded no rule.
    let old = described(Positions::First, &[]);
    assert_eq!(old.difference(&described(Positions::First, &[0])), None);
    let (what, here, there) = old.difference(&described(Positions::Text, &[0])).unwrap();
    assert_eq!((what, here.as_str()), ("positions", "first"));
    assert_eq!(there, "text with special tokens 0");
    let one = described(Positions::Text, &[0]);
    assert!(
        one.difference(&described(Positions::Text, &[0, 1]))
            .is_some()
    );
    assert_eq!(one.difference(&one.clone()), None);
}

#[test]
fn a_manifest_that_lies_is_refused_before_memory_is_taken() {
    for (from, to, word) in [
        ("\"rows\": 11", "\"rows\": 1099511627777", "`rows`"),
        ("\"context\": 4", "\"context\": 1073741824", "`context`"),
        ("\"context\": 4", "\"context\": 16777216", "bytes long"),
        ("\"context\": 4", "\"context\": 0", "`context`"),
        ("\"context\": 4", "\"context\": -1", "-1"),
        ("\"width\": 3", "\"width\": 16777216", "bytes long"),
        ("\"width\": 3", "\"width\": 18446744073709551615", "width"),
        ("\"width\": 3", "\"width\": 2", "of another store"),
        (
            "\"shard_rows\": 4",
            "\"shard_rows\": 1099511627776",
            "not one of its shards",
        ),
        ("\"shard_rows\": 4", "\"shard_rows\": 0", "`shard_rows`"),
        ("\"dtype\": \"f16\"", "\"dtype\": \"i4\"", "i4"),
        (
            "\"dtype\": \"bf16\"",
            "\"dtype\": \"f16\"",
            "gradients beside",
        ),
        ("blocks.0.attn.hook_z", "blocks.2.hook_resid_post", "twice"),
        ("blocks.0.attn.hook_z", "blocks.0.hook_none", "hook_none"),
        ("blocks.0.attn.hook_z", "blocks.0.attn.hook_q", "hook_q"),
        ("shard-00001", "../shard-00001", "not one of its shards"),
        ("shard-00001", "shard-1", "not one of its shards"),
        ("shard-00001", "shard-00000", "twice"),
        ("shard-00002", "shard-00003", "not one of its shards"),
        ("\"header\": \"", "\"header\": \"+", "checksum"),
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("umbra-activation-store", "photographs", "`format`"),
        ("\"gradients\": {", "\"gradient\": {", "of another store"),
    ] {
        let (folder, _) = lying(from, to);
        let said = open(folder.path()).and_then(|store| read_all(&store));
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains(word) && said.lines().count() == 1,
            "{to}: {said}"
        );
        assert!(said.len() < 1_500, "{said}");
    }
    // Control: a consistent change is accepted.
    let (folder, path) = lying("\"corpus\": \"none\"", "\"corpus\": \"some\"");
    read_all(&open(folder.path()).unwrap()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("some", "none")).unwrap();
    let said = open(folder.path()).unwrap_err().to_string();
    assert!(said.contains("checksum"), "{said}");
}

#[test]
fn numbers_that_cannot_be_stored_are_refused_by_hook_and_row() {
    for (dtype, number, word) in [
        (Dtype::F16, 65_530.0, "setting `dtype` bf16 or f32"),
        (Dtype::F16, f32::NAN, "NaN"),
        (Dtype::Bf16, f32::INFINITY, "inf"),
        (Dtype::F32, f32::NEG_INFINITY, "-inf"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(folder.path(), about(dtype, false)).unwrap().0;
        fill(&mut writer, 1, || 2);
        let mut resid = values(1, 2..4, 5);
        resid.row_mut(5)[2] = number;
        let piece = Piece {
            tokens: &[TokenId(0); 8],
            activations: &[values(0, 2..4, 3), resid],
            gradients: &[],
        };
        let said = writer.append(&piece).unwrap_err().to_string();
        for word in [word, "blocks.2.hook_resid_post", "row 3"] {
            assert!(said.contains(word), "{said}");
        }
        // Nothing of the rejected piece is kept.
        fill(&mut writer, usize::MAX, || 2);
        assert!(files(folder.path()) == files(written(dtype, false).path()));
    }
}

#[test]
fn what_a_store_lacks_is_refused_with_what_it_has() {
    let folder = written(Dtype::F32, false);
    let store = open(folder.path()).unwrap();
    let said = store.width(HookPoint::Embed).unwrap_err().to_string();
    assert!(said.contains("hook_embed") && said.contains("blocks.0.attn.hook_z"));
    let said = store.gradients(hooks()[0], &[0]).unwrap_err().to_string();
    assert!(said.contains("setting `gradients`"), "{said}");
    assert!(store.activations(hooks()[0], &[ROWS]).is_err());
    let said = store.check_model("gpt2", "00").unwrap_err().to_string();
    assert!(said.contains("numbers") && said.contains("gpt2"), "{said}");
    store.check_model("copy", &"ab".repeat(32)).unwrap();
    let none = tempfile::tempdir().unwrap();
    let said = Store::open(none.path()).unwrap_err().to_string();
    assert!(said.contains("manifest.json is missing"), "{said}");
}

#[test]
fn a_seed_decides_the_order_and_each_reading_has_every_row_once() {
    let readings = |mut order: Order| -> Vec<Vec<usize>> {
        (0..3)
            .map(|_| {
                let mut rows = order.next(4).to_vec();
                while !order.is_used_up() {
                    let coming = order.coming(4).to_vec();
                    let next = order.next(4);
                    assert_eq!(next, coming);
                    rows.extend(next);
                }
                rows
            })
            .collect()
    };
    let shuffled = readings(Order::shuffled(10, 7));
    assert_eq!(shuffled, readings(Order::shuffled(10, 7)));
    assert_ne!(shuffled, readings(Order::shuffled(10, 8)));
    assert_ne!(shuffled[0], shuffled[1]);
    for mut rows in shuffled {
        assert!(!rows.is_sorted());
        rows.sort_unstable();
        assert_eq!(rows, (0..10).collect::<Vec<_>>());
    }
    for rows in readings(Order::contiguous(10)) {
        assert_eq!(rows, (0..10).collect::<Vec<_>>());
    }
}
