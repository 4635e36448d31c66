//! Arrays of every supported order and type, and archives that lie about them.

use super::npz;
use super::zip_tests::archive;

/// Returns a `.npy` array of version 1.
pub(crate) fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// Returns the header of an array in C order.
pub(crate) fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn arrays_are_read_in_either_order_stored_or_deflated() {
    let rows = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let c = npy(&header("<f4", "(2, 3)"), &rows);
    let fortran = header("<f4", "(2, 3)").replace("False", "True");
    let fortran = npy(&fortran, &floats(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    let double: Vec<u8> = [1.5_f64, -2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let half: Vec<u8> = [0.5_f32]
        .iter()
        .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
        .collect();
    let double = npy(&header("<f8", "(2,)"), &double);
    let one = npy(&header("<f2", "()"), &half);
    for deflate in [false, true] {
        let file = archive(&[
            ("c.npy", &c, deflate),
            ("fortran.npy", &fortran, deflate),
            ("double.npy", &double, deflate),
            ("one.npy", &one, false),
            ("notes.txt", b"no array", false),
        ]);
        let arrays = npz::read(&file).unwrap();
        assert_eq!(arrays.len(), 4);
        for name in ["c", "fortran"] {
            let array = &arrays[name];
            assert_eq!(array.shape(), [2, 3]);
            assert_eq!(
                array.oriented(false).unwrap().values(),
                [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
            );
            assert_eq!(array.floats().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            assert_eq!(
                array.oriented(true).unwrap().values(),
                [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
            );
        }
        assert_eq!(arrays["double"].floats().unwrap(), [1.5, -2.0]);
        assert_eq!(arrays["one"].scalar(), Some(0.5));
    }
}

#[test]
fn lying_arrays_are_refused_by_name() {
    let ok = floats(&[1.0; 6]);
    let mut long = npy(&header("<f4", "(6,)"), &ok);
    long[6] = 2;
    for (bytes, want) in [
        (npy(&header("<f4", "(7,)"), &ok), "of shape [7] in F32"),
        (
            npy(&header("<f4", "(4611686018427387904,)"), &ok),
            "of shape [4611686018427387904]",
        ),
        (
            npy(&header("<f4", "(4294967296, 4294967296)"), &ok),
            "impossible shape",
        ),
        (
            npy(&header("<f4", "(99999999999999999999,)"), &ok),
            "impossible shape",
        ),
        (
            npy(&header("<f4", "(1,1,1,1,1,1,1,1,6)"), &ok),
            "more than 8",
        ),
        (npy(&header("<f4", "(-6,)"), &ok), "impossible shape"),
        (npy(&header("|O", "(6,)"), &ok), "type `|O`"),
        (npy(&header(">f4", "(6,)"), &ok), "type `>f4`"),
        (npy("{'descr': [('a', '<f4')]}", &ok), "in its header"),
        (
            npy("{'descr': '<f4', 'fortran_order': 1", &ok),
            "True nor False",
        ),
        (npy("{'other': '<f4'}", &ok), "`other`"),
        (npy("{}", &ok), "no whole .npy header"),
        (npy("", &ok), "lacks `{`"),
        (
            b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(),
            "claims a header of 65535",
        ),
        (
            b"\x93NUMPY\x01\x00\xff\x0f{}".to_vec(),
            "no whole .npy header",
        ),
        (b"\x93NUMPY\x07\x00".to_vec(), "version 7"),
        (b"nothing".to_vec(), "no whole .npy header"),
        (long, "header"),
    ] {
        let said = npz::read(&archive(&[("w.npy", &bytes, false)])).unwrap_err();
        assert!(
            said.contains("`w`") && said.contains(want),
            "{said} lacks {want}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = npz::read(&archive(&[("a", b"1", false)])).unwrap_err();
    assert!(said.contains("no .npy"), "{said}");
}
