//! Documents packed in rows and kept apart: each is read as if it were alone in its row.

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::Result;
use crate::ids::TokenId;

/// Places of tokens `[b, t]` in their documents. A document begins with its row and at every BOS.
#[derive(Debug, Clone)]
pub(in crate::models) struct Documents {
    /// Position in the row where the token's document begins, `[b, t]`.
    pub(in crate::models) starts: Arc<[u32]>,
    /// Position in the document, `[b, t]`.
    pub(in crate::models) positions: Vec<u32>,
    /// Tokens that the document has in its row, `[b, t]`.
    pub(in crate::models) lengths: Vec<u32>,
}

impl Documents {
    /// Finds the documents of `tokens [b, t]`; none where every row is one document.
    pub(in crate::models) fn find(tokens: &Tensor, bos: TokenId) -> Result<Option<Self>> {
        let (b, t) = tokens.dims2()?;
        let ids: Vec<u32> = tokens.flatten_all()?.to_vec1()?;
        let mut starts = Vec::with_capacity(b * t);
        let mut lengths = Vec::with_capacity(b * t);
        for row in ids.chunks_exact(t.max(1)) {
            let begins = |at: &usize| *at > 0 && row[*at] == bos.0;
            let mut from = 0;
            for to in (0..t).filter(begins).chain([t]) {
                starts.extend(std::iter::repeat_n(from as u32, to - from));
                lengths.extend(std::iter::repeat_n((to - from) as u32, to - from));
                from = to;
            }
        }
        if starts.iter().all(|start| *start == 0) {
            return Ok(None);
        }
        let places = starts.iter().enumerate();
        Ok(Some(Self {
            positions: places.map(|(at, start)| (at % t) as u32 - start).collect(),
            starts: starts.into(),
            lengths,
        }))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_document_begins_with_its_row_and_at_every_bos() {
        let tokens = Tensor::new(&[[0_u32, 5, 0, 6, 7, 0], [5, 0, 0, 1, 2, 3]], &Device::Cpu);
        let documents = Documents::find(&tokens.unwrap(), TokenId(0))
            .unwrap()
            .unwrap();
        assert_eq!(*documents.starts, [0, 0, 2, 2, 2, 5, 0, 1, 2, 2, 2, 2]);
        assert_eq!(documents.positions, [0, 1, 0, 1, 2, 0, 0, 0, 0, 1, 2, 3]);
        assert_eq!(documents.lengths, [2, 2, 3, 3, 3, 1, 1, 1, 4, 4, 4, 4]);
        let one = Tensor::new(&[[0_u32, 5, 6]], &Device::Cpu).unwrap();
        assert!(Documents::find(&one, TokenId(0)).unwrap().is_none());
    }
}
