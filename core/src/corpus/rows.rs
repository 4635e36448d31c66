//! Packs documents into token rows of one length that remember the document of every token. Each row of text starts with BOS, and BOS separates documents;
//! token ids become rows as they are.

use rayon::prelude::*;

use super::{Content, Corpus, Rows};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

pub(super) fn rows(corpus: &Corpus, codec: &TextCodec, context: usize) -> Result<(Rows, Notes)> {
    if context < 2 {
        let what = format!("a row of {context} tokens predicts nothing; give 2 or more");
        return Err(Error::setting("context", what));
    }
    if let Some(Content::Tokens(_)) = corpus.documents.first().map(|document| &document.content) {
        return as_they_are(corpus, codec, context);
    }
    let mut encoded: Vec<Vec<TokenId>> = corpus
        .documents
        .par_iter()
        .map(|document| match &document.content {
            Content::Text(text) => codec.encode(text),
            Content::Tokens(tokens) => Ok(tokens.clone()),
        })
        .collect::<Result<_>>()?;
    let mut notes = Notes::default();
    if let Some(note) = without_second_bos(&mut encoded, codec) {
        notes.add(note);
    }
    let (mut tokens, mut documents) = pack(&encoded, codec.bos().id, context);
    let left = tokens.len() % context;
    let filled = tokens.len() - left;
    if filled == 0 {
        let what = format!(
            "{left} tokens of text do not fill one row of {context}; give more text or a smaller context"
        );
        return Err(Error::setting("corpus", what));
    }
    tokens.truncate(filled);
    documents.truncate(filled);
    if left > 0 {
        notes.add(format!(
            "The last row holds only {left} of {context} tokens and is left out"
        ));
    }
    let names = corpus.documents.iter().map(|d| d.name.clone()).collect();
    let rows = Rows::new(context, tokens, documents, names).with_special(codec.special());
    Ok((rows, notes))
}

/// Removes the BOS that documents start with, since packing adds one; returns a note if there was such a document.
fn without_second_bos(encoded: &mut [Vec<TokenId>], codec: &TextCodec) -> Option<String> {
    let bos = codec.bos().id?;
    let mut begun = 0;
    for tokens in encoded.iter_mut() {
        if tokens.first() == Some(&bos) {
            begun += 1;
            if codec.bos_before(tokens).is_none() {
                tokens.remove(0);
            }
        }
    }
    let second = if codec.bos_before(&[bos]).is_none() {
        format!("get no second one: {} puts it", Key::KeepDoubleBos)
    } else {
        format!("get a second one: {}", Key::KeepDoubleBos)
    };
    let of = encoded.len();
    (begun > 0).then(|| format!("{begun} of {of} documents begin with BOS already and {second}"))
}

/// Makes rows of documents of token ids; the notes say what was checked.
fn as_they_are(corpus: &Corpus, codec: &TextCodec, context: usize) -> Result<(Rows, Notes)> {
    let (mut tokens, mut documents) = (Vec::new(), Vec::new());
    let (mut short, mut cut, mut begun) = (0, 0, 0);
    let bos = codec.bos().id;
    for (number, document) in (0..).zip(&corpus.documents) {
        let Content::Tokens(ids) = &document.content else {
            continue;
        };
        if let Some(id) = ids.iter().find(|id| !codec.has(**id)) {
            let what = format!(
                "{} holds token {id}, the model's vocabulary has {} entries: the tokens come from another tokenizer",
                document.name,
                codec.vocab_size()
            );
            return Err(Error::setting("corpus", what));
        }
        let Some(row) = ids.get(..context) else {
            short += 1;
            continue;
        };
        cut += usize::from(ids.len() > context);
        begun += usize::from(bos.is_some() && row.first().copied() == bos);
        tokens.extend_from_slice(row);
        documents.extend(std::iter::repeat_n(number, context));
    }
    let rows = tokens.len() / context;
    if rows == 0 {
        let what = format!("no row has {context} tokens; give a smaller context");
        return Err(Error::setting("corpus", what));
    }
    if let Some(bos) = bos.filter(|_| begun < rows) {
        let what = format!(
            "{begun} of {rows} rows of token ids begin with BOS ({bos}), the model puts it before each: give {} to read the rows without it, or tokenize the text again",
            Key::NoBos
        );
        return Err(Error::setting("corpus", what));
    }
    let mut notes = Notes::default();
    let tokenizer = corpus.tokenizer.as_deref().map_or_else(
        || "no tokenizer is named for them".to_owned(),
        |name| format!("their tokenizer is {name}"),
    );
    let first = if bos.is_some() {
        "each begins with BOS"
    } else {
        "no BOS is asked for"
    };
    notes.add(format!(
        "Token ids are used as they are, {rows} rows of {context}: all are in the vocabulary, {first}, {tokenizer}"
    ));
    for (count, what) in [
        (short, "shorter than {context} tokens and left out"),
        (cut, "cut to their first {context} tokens"),
    ] {
        if count > 0 {
            let what = what.replace("{context}", &context.to_string());
            notes.add(format!(
                "{count} of {} rows of token ids are {what}",
                corpus.documents.len()
            ));
        }
    }
    let names = corpus.documents.iter().map(|d| d.name.clone()).collect();
    let all = Rows::new(context, tokens, documents, names).with_special(codec.special());
    Ok((all, notes))
}

/// Returns the tokens and the document of each; the last row may be short.
fn pack(
    encoded: &[Vec<TokenId>],
    bos: Option<TokenId>,
    context: usize,
) -> (Vec<TokenId>, Vec<u32>) {
    let size = encoded.iter().map(Vec::len).sum::<usize>();
    let size = size + size / (context - 1) + encoded.len() + 1;
    let mut tokens = Vec::with_capacity(size);
    let mut documents = Vec::with_capacity(size);
    for (document, encoded) in (0..).zip(encoded.iter()) {
        let mut begun = false;
        for token in encoded {
            let boundary = tokens.len().is_multiple_of(context);
            if let Some(bos) = bos.filter(|_| boundary || !begun) {
                tokens.push(bos);
                documents.push(document);
                // The separator filled the row: the next row starts with its own BOS.
                if tokens.len().is_multiple_of(context) {
                    tokens.push(bos);
                    documents.push(document);
                }
            }
            begun = true;
            tokens.push(*token);
            documents.push(document);
        }
    }
    (tokens, documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tokens: &[u32]) -> Vec<TokenId> {
        tokens.iter().map(|t| TokenId(*t)).collect()
    }

    #[track_caller]
    fn check(documents: &[&[u32]], bos: Option<u32>, want: &[u32], from: &[u32]) {
        let encoded: Vec<_> = documents.iter().map(|d| ids(d)).collect();
        let (tokens, of) = pack(&encoded, bos.map(TokenId), 4);
        assert_eq!((tokens, of), (ids(want), from.to_vec()));
    }

    #[test]
    fn rows_begin_with_bos_and_documents_are_parted_by_it() {
        // A long document spans rows; a short one follows after BOS.
        check(
            &[&[1, 2, 3, 4], &[5]],
            Some(0),
            &[0, 1, 2, 3, 0, 4, 0, 5],
            &[0, 0, 0, 0, 0, 0, 1, 1],
        );
        // A document that ends with the row needs no second BOS.
        check(
            &[&[1, 2, 3], &[5]],
            Some(0),
            &[0, 1, 2, 3, 0, 5],
            &[0, 0, 0, 0, 1, 1],
        );
        // A separator in the last place of a row does not replace the next row's BOS.
        check(
            &[&[1, 2], &[5]],
            Some(0),
            &[0, 1, 2, 0, 0, 5],
            &[0, 0, 0, 1, 1, 1],
        );
        // An empty document adds nothing; without BOS, documents touch.
        check(
            &[&[1], &[], &[5, 6]],
            Some(0),
            &[0, 1, 0, 5, 0, 6],
            &[0, 0, 2, 2, 2, 2],
        );
        check(&[&[1, 2], &[5]], None, &[1, 2, 5], &[0, 0, 1]);
    }
}
