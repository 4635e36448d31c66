//! Checkpoints written opcode by opcode: those that torch.save writes, and hostile ones.

use super::super::zip_tests::{archive, patched};
use super::{Checkpoint, Value};

/// A checkpoint under construction: a dict of names.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pickle: Vec<u8>,
    storages: Vec<Vec<u8>>,
}

impl Saved {
    pub(crate) fn new() -> Self {
        Self {
            pickle: b"\x80\x02}(".to_vec(),
            storages: Vec::new(),
        }
    }

    pub(crate) fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.pickle.extend(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let length = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&length).op(text.as_bytes())
    }

    pub(crate) fn int(&mut self, int: i64) -> &mut Self {
        self.op(b"\x8a\x08").op(&int.to_le_bytes())
    }

    pub(crate) fn float(&mut self, float: f64) -> &mut Self {
        self.op(b"G").op(&float.to_be_bytes())
    }

    pub(crate) fn tuple(&mut self, items: &[i64]) -> &mut Self {
        self.op(b"(");
        for item in items {
            self.int(*item);
        }
        self.op(b"t")
    }

    /// Adds a tensor with its own storage.
    pub(crate) fn tensor(
        &mut self,
        storage: &str,
        shape: &[i64],
        strides: &[i64],
        bytes: Vec<u8>,
    ) -> &mut Self {
        let size = match storage {
            "DoubleStorage" | "LongStorage" => 8,
            "HalfStorage" | "BFloat16Storage" => 2,
            _ => 4,
        };
        let (key, count) = (self.storages.len(), (bytes.len() / size) as i64);
        self.storages.push(bytes);
        self.tensor_on(storage, (key, count), 0, (shape, strides))
    }

    pub(crate) fn tensor_on(
        &mut self,
        storage: &str,
        (key, count): (usize, i64),
        offset: i64,
        (shape, strides): (&[i64], &[i64]),
    ) -> &mut Self {
        self.op(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage");
        self.op(format!("ctorch\n{storage}\n").as_bytes());
        self.text(&key.to_string()).text("cpu").int(count).op(b"tQ");
        self.int(offset).tuple(shape).tuple(strides);
        self.op(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    /// Row-major f32.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> &mut Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        let mut strides = vec![1_i64; shape.len()];
        for at in (1..shape.len()).rev() {
            strides[at - 1] = strides[at] * shape[at];
        }
        self.text(name)
            .tensor("FloatStorage", &shape, &strides, bytes)
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let pickle = [&self.pickle[..], b"u."].concat();
        self.file_of(&pickle)
    }

    /// Returns the file with another pickle.
    pub(crate) fn file_of(&self, pickle: &[u8]) -> Vec<u8> {
        let names: Vec<String> = (0..self.storages.len())
            .map(|i| format!("x/data/{i}"))
            .collect();
        let mut entries = vec![
            ("x/data.pkl", pickle, false),
            ("x/byteorder", b"little", false),
        ];
        for (name, bytes) in names.iter().zip(&self.storages) {
            entries.push((name, bytes, false));
        }
        archive(&entries)
    }
}

fn pickled(pickle: &[u8]) -> Vec<u8> {
    archive(&[("x/data.pkl", pickle, false)])
}

#[test]
fn tensors_of_every_type_and_stride_are_read() {
    let mut saved = Saved::new();
    saved.floats("plain", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let columns = [1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    saved
        .text("turned")
        .tensor("FloatStorage", &[2, 3], &[1, 2], columns);
    // Rows 1 and 2, columns 1 and 2 of a matrix of 3 × 4.
    saved
        .storages
        .push((0..12).flat_map(|v| (v as f32).to_le_bytes()).collect());
    saved
        .text("part")
        .tensor_on("FloatStorage", (2, 12), 5, (&[2, 2], &[4, 1]));
    saved
        .text("again")
        .tensor_on("FloatStorage", (2, 12), 3, (&[1, 3], &[4, 4]));
    let brief = [half::bf16::from_f32(-1.5)]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    saved
        .text("brief")
        .tensor("BFloat16Storage", &[1], &[1], brief);
    saved
        .text("k")
        .tensor("LongStorage", &[], &[], 8_i64.to_le_bytes().to_vec());
    saved
        .text("none")
        .tensor("DoubleStorage", &[0, 4], &[4, 1], Vec::new());
    let file = saved.file();
    let read = Checkpoint::read(&file).unwrap();
    let entries = read.entries(read.root()).unwrap();
    let array = |name: &str| read.tensor(entries[name]).unwrap().unwrap();
    for name in ["plain", "turned"] {
        assert_eq!(
            array(name).floats().unwrap(),
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        );
        assert_eq!(
            array(name).oriented(true).unwrap().values(),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
    assert_eq!(
        array("part").oriented(false).unwrap().values(),
        [5.0, 6.0, 9.0, 10.0]
    );
    assert_eq!(array("again").floats().unwrap(), [3.0, 7.0, 11.0]);
    assert_eq!(array("brief").floats().unwrap(), [-1.5]);
    assert_eq!(array("k").scalar(), Some(8.0));
    assert_eq!(array("none").floats().unwrap(), [0.0_f32; 0]);
}

#[test]
fn plain_values_are_read_and_kept_within_bounds() {
    let mut saved = Saved::new();
    saved
        .text("a")
        .int(-3)
        .text("b")
        .float(0.5)
        .text("c")
        .op(b"N")
        .text("d")
        .op(b"\x88");
    saved.text("e").op(b"](").text("x").int(1).op(b"e");
    saved
        .text("f")
        .tuple(&[1, 2])
        .text("g")
        .op(b"}")
        .text("h")
        .text("i")
        .op(b"s");
    saved
        .text("j")
        .op(b"ctorch\nSize\n(")
        .tuple(&[4, 5])
        .op(b"tR");
    saved
        .text("l")
        .op(b"ctorch\nfloat32\n")
        .text("m")
        .op(b"K\x07")
        .text("n")
        .op(b"M\x01\x02");
    saved
        .text("k")
        .tensor("LongStorage", &[], &[], 8_i64.to_le_bytes().to_vec());
    let file = saved.file();
    let read = Checkpoint::read(&file).unwrap();
    let plain = read.plain(read.root());
    let want = serde_json::json!({"a": -3, "b": 0.5, "c": null, "d": true, "e": ["x", 1], "f": [1, 2], "g": {"h": "i"}, "j": [4, 5], "l": null,
        "m": 7, "n": 513, "k": 8.0});
    assert_eq!(plain, want);
    // A list of lists of lists, each twice the one before: 2⁴⁰ values if written out.
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    for i in 0..40_u8 {
        laughs.extend([b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e']);
    }
    let file = pickled(&[&laughs[..], b"."].concat());
    let read = Checkpoint::read(&file).unwrap();
    assert!(read.plain(read.root()).to_string().len() < 100_000);
    // A list that contains itself, and one a million times in the other.
    let file = pickled(b"\x80\x02]q\x00h\x00a.");
    let read = Checkpoint::read(&file).unwrap();
    assert!(read.plain(read.root()).is_array());
    let deep = [
        &b"\x80\x02"[..],
        &b"]".repeat(1_000_000),
        &b"a".repeat(999_999),
        b".",
    ]
    .concat();
    let file = pickled(&deep);
    assert!(Checkpoint::read(&file).is_ok());
}

#[track_caller]
fn refused(file: &[u8], want: &str) {
    let said = match Checkpoint::read(file) {
        Err(said) => said,
        Ok(read) => {
            let entries = read.entries(read.root());
            match entries.as_ref().map(|entries| entries.get("w")) {
                Err(said) => said.clone(),
                Ok(Some(value)) => read.tensor(*value).unwrap().unwrap_err(),
                Ok(None) => panic!("{want}: read"),
            }
        }
    };
    assert!(said.contains(want), "{said} lacks {want}");
    assert!(said.lines().count() == 1 && said.len() < 400, "{said}");
}

#[test]
fn whatever_calls_python_is_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_sparse_tensor"),
        ("collections", "defaultdict"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("torch", "EvilStorage"),
        ("torch.nn.modules.linear", "Linear"),
    ] {
        let mut pickle = format!("\x02c{module}\n{name}\n(").into_bytes();
        pickle.insert(0, 0x80);
        pickle.extend(b"X\x02\x00\x00\x00lstR.");
        refused(&pickled(&pickle), &format!("{module}.{name}"));
        let mut stacked = b"\x80\x04\x8c".to_vec();
        for word in [module, name] {
            if word == name {
                stacked.push(0x8c);
            }
            stacked.push(word.len() as u8);
            stacked.extend(word.as_bytes());
        }
        stacked.extend(b"\x93.");
        refused(&pickled(&stacked), &format!("{module}.{name}"));
    }
    let long = [
        b"\x80\x02c".to_vec(),
        vec![b'm'; 100_000],
        b"\nn\n.".to_vec(),
    ]
    .concat();
    refused(&pickled(&long), "mmmm");
    for op in *b"io\x82\x83\x84\x97\x98\x92" {
        refused(&pickled(&[0x80, 2, op, b'.']), "opcode");
    }
    refused(&pickled(b"I1\n."), "protocol 0");
    refused(&pickled(b"\x80\x09N."), "protocol 9");
}

#[test]
fn pickles_that_end_early_or_misuse_their_stack_are_refused() {
    for (pickle, want) in [
        (&b"\x80\x02"[..], "cut off"),
        (b"", "cut off"),
        (b"\x80\x02.", "more from its stack"),
        (b"\x80\x02t.", "more from its stack"),
        (b"\x80\x02(N.", "dict of tensors"),
        (b"\x80\x02N(00.", "more from its stack"),
        (b"\x80\x02X\xff\xff\xff\xffab", "cut off"),
        (b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffab", "cut off"),
        (b"\x80\x02\x8b\xff\xff\xff\x7fab", "cut off"),
        (b"\x80\x02h\x07.", "recalls value 7"),
        (b"\x80\x02}(Nu.", "key without a value"),
        (b"\x80\x02N(Nu.", "neither list nor dict"),
        (b"\x80\x02N)R.", "not a function"),
        (b"\x80\x02ccollections\nOrderedDict\nNR.", "arguments"),
        (b"\x80\x02ccollections\nOrderedDict\n(NtR.", "arguments"),
        (b"\x80\x02NQ.", "names a storage"),
        (b"\x80\x02NNb.", "attributes"),
        (b"\x80\x02]N.", "dict of tensors"),
        (
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.",
            "arguments",
        ),
    ] {
        refused(&pickled(pickle), want);
    }
    // Longer than any dictionary's pickle, so rejected by length alone.
    for op in [b'2', b']', b'('] {
        let long = [b"\x80\x02N".to_vec(), vec![op; super::LONGEST + 1]].concat();
        refused(&pickled(&long), "cut off or longer");
    }
}

#[test]
fn tensors_outside_their_storage_are_refused() {
    let with = |shape: &[i64], strides: &[i64], offset: i64, count: i64| {
        let mut saved = Saved::new();
        saved.storages.push(vec![0; 24]);
        saved
            .text("w")
            .tensor_on("FloatStorage", (0, count), offset, (shape, strides));
        saved.file()
    };
    let max = i64::MAX;
    assert!(Checkpoint::read(&with(&[2, 3], &[3, 1], 0, 6)).is_ok());
    for (file, want) in [
        (with(&[2, 3], &[3, 1], 1, 6), "outside its storage"),
        (with(&[2, 4], &[3, 1], 0, 6), "outside its storage"),
        (with(&[2, 3], &[max, 1], 0, 6), "outside its storage"),
        (with(&[max, max], &[0, 0], 0, 6), "outside its storage"),
        (with(&[1000], &[0], 0, 6), "outside its storage"),
        (with(&[2], &[1], max, 6), "outside its storage"),
        (with(&[6], &[1], 0, 7), "should hold 7 F32"),
        (with(&[6], &[1], 0, max), "should hold"),
        (with(&[2, 3], &[1], 0, 6), "1 strides"),
        (with(&[-2], &[1], 0, 6), "impossible shape"),
        (with(&[2], &[-1], 0, 6), "impossible shape"),
        (with(&[2], &[1], -1, 6), "impossible shape"),
        (with(&[1; 9], &[1; 9], 0, 6), "impossible shape"),
    ] {
        refused(&file, want);
    }
    let mut lost = Saved::new();
    lost.text("w")
        .tensor_on("FloatStorage", (5, 6), 0, (&[6], &[1]));
    refused(&lost.file(), "storage `5`, which is missing");
    let mut twice = Saved::new();
    twice.floats("w", &[1], &[1.0]).floats("w", &[1], &[2.0]);
    refused(&twice.file(), "`w` twice");
}

#[test]
fn containers_that_are_none_are_refused() {
    refused(b"", "not a checkpoint");
    refused(b"\x80\x02N.", "not a checkpoint");
    refused(&[0x80, 2], "not a checkpoint");
    refused(&archive(&[("a", b"1", false)]), "no data.pkl or several");
    let big = archive(&[
        ("x/data.pkl", b"\x80\x02}.", false),
        ("x/byteorder", b"big", false),
    ]);
    refused(&big, "big-endian");
    let packed = archive(&[
        ("x/data.pkl", b"\x80\x02}.", false),
        ("x/data/0", &[0; 999], true),
    ]);
    refused(&packed, "packed");
    let mut saved = Saved::new();
    saved.floats("w", &[2], &[1.0, 2.0]);
    let file = saved.file();
    for end in (1..file.len()).step_by(7) {
        assert!(Checkpoint::read(&file[..end]).is_err(), "{end}");
    }
    let storage = file
        .windows(8)
        .position(|eight| eight == b"x/data/0")
        .unwrap()
        + 8;
    refused(&patched(&file, storage, &[9]), "damaged");
}

/// Returns a file as PyTorch before 1.6 wrote it.
fn legacy(magic: &[u8], count: u64) -> Vec<u8> {
    let mut file = [
        b"\x80\x02\x8a\x0a",
        magic,
        b".",
        b"\x80\x02M\xe9\x03.",
        b"\x80\x02}.",
    ]
    .concat();
    let mut saved = Saved::new();
    saved
        .text("w")
        .tensor_on("FloatStorage", (7, 2), 0, (&[2], &[1]));
    file.extend(&saved.pickle);
    file.extend(b"u.\x80\x02](X\x01\x00\x00\x007e.");
    file.extend(count.to_le_bytes());
    file.extend([1.0_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()));
    file
}

#[test]
fn the_older_form_is_read() {
    let magic = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let file = legacy(magic, 2);
    let read = Checkpoint::read(&file).unwrap();
    let entries = read.entries(read.root()).unwrap();
    assert_eq!(
        read.tensor(entries["w"])
            .unwrap()
            .unwrap()
            .floats()
            .unwrap(),
        [1.0, -2.0]
    );
    assert!(matches!(read.root(), Value::Node(_)));
    refused(&legacy(&[0; 10], 2), "not a checkpoint");
    for count in [3, 1 << 62, u64::MAX] {
        refused(&legacy(magic, count), "cut off");
    }
}
