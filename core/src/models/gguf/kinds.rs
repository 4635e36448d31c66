//! Tensor types of GGUF files: number, name, block, and whether Umbra reads them.

use candle_core::quantized::GgmlDType;

/// Tensor type: `block` numbers take `bytes` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    id: u32,
    /// Name, as llama.cpp prints it.
    pub(super) name: &'static str,
    /// Numbers per block; the rows of a tensor are whole blocks.
    pub(super) block: usize,
    /// Bytes per block.
    pub(super) bytes: usize,
    /// Type in candle, if it can be read.
    pub(super) dtype: Option<GgmlDType>,
}

const fn kind(id: u32, name: &'static str, block: usize, bytes: usize) -> Kind {
    let dtype = match id {
        0 => Some(GgmlDType::F32),
        1 => Some(GgmlDType::F16),
        2 => Some(GgmlDType::Q4_0),
        3 => Some(GgmlDType::Q4_1),
        6 => Some(GgmlDType::Q5_0),
        7 => Some(GgmlDType::Q5_1),
        8 => Some(GgmlDType::Q8_0),
        10 => Some(GgmlDType::Q2K),
        11 => Some(GgmlDType::Q3K),
        12 => Some(GgmlDType::Q4K),
        13 => Some(GgmlDType::Q5K),
        14 => Some(GgmlDType::Q6K),
        30 => Some(GgmlDType::BF16),
        _ => None,
    };
    Kind {
        id,
        name,
        block,
        bytes,
        dtype,
    }
}

/// All types by id, from ggml.h and ggml-common.h; withdrawn ids are left out.
static KINDS: [Kind; 32] = [
    kind(0, "F32", 1, 4),
    kind(1, "F16", 1, 2),
    kind(2, "Q4_0", 32, 18),
    kind(3, "Q4_1", 32, 20),
    kind(6, "Q5_0", 32, 22),
    kind(7, "Q5_1", 32, 24),
    kind(8, "Q8_0", 32, 34),
    kind(9, "Q8_1", 32, 36),
    kind(10, "Q2_K", 256, 84),
    kind(11, "Q3_K", 256, 110),
    kind(12, "Q4_K", 256, 144),
    kind(13, "Q5_K", 256, 176),
    kind(14, "Q6_K", 256, 210),
    kind(15, "Q8_K", 256, 292),
    kind(16, "IQ2_XXS", 256, 66),
    kind(17, "IQ2_XS", 256, 74),
    kind(18, "IQ3_XXS", 256, 98),
    kind(19, "IQ1_S", 256, 50),
    kind(20, "IQ4_NL", 32, 18),
    kind(21, "IQ3_S", 256, 110),
    kind(22, "IQ2_S", 256, 82),
    kind(23, "IQ4_XS", 256, 136),
    kind(24, "I8", 1, 1),
    kind(25, "I16", 1, 2),
    kind(26, "I32", 1, 4),
    kind(27, "I64", 1, 8),
    kind(28, "F64", 1, 8),
    kind(29, "IQ1_M", 256, 56),
    kind(30, "BF16", 1, 2),
    kind(34, "TQ1_0", 256, 54),
    kind(35, "TQ2_0", 256, 66),
    kind(39, "MXFP4", 32, 17),
];

/// Finds the type with that number.
pub(super) fn from_id(id: u32) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_large_as_candle_reads_them() {
        let readable: Vec<_> = KINDS.iter().filter_map(|k| Some((k, k.dtype?))).collect();
        assert_eq!(readable.len(), 13);
        for (kind, dtype) in readable {
            assert_eq!(kind.block, dtype.block_size(), "{}", kind.name);
            assert_eq!(kind.bytes, dtype.type_size(), "{}", kind.name);
        }
        assert_eq!(from_id(12).unwrap().name, "Q4_K");
        assert_eq!(from_id(4), None);
    }
}
