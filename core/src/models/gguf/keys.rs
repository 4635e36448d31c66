//! Unsupported header keys that change what is computed: rejected by name. llama.cpp reads most of them for other
//! architectures alone and ignores them in these, so a file that has one either computes something else than its header says or is of a newer kind.

use super::Gguf;
use super::header::Header;
use crate::error::{Error, Result};

/// Key after the architecture's name, and the values with which it changes nothing.
const CHANGING: [(&str, &[f64]); 29] = [
    ("activation_sparsity_scale", &[]),
    ("attention.clamp_kqv", &[0.0]),
    ("attention.group_norm_groups", &[0.0]),
    ("attention.key_length_mla", &[0.0]),
    ("attention.kv_lora_rank", &[0.0]),
    ("attention.max_alibi_bias", &[0.0]),
    ("attention.output_scale", &[0.0, 1.0]),
    ("attention.q_lora_rank", &[0.0]),
    ("attention.relative_buckets_count", &[0.0]),
    ("attention.scale", &[0.0]),
    ("attention.shared_kv_layers", &[0.0]),
    ("attention.temperature_length", &[0.0]),
    ("attention.temperature_scale", &[0.0]),
    ("attention.value_length_mla", &[0.0]),
    ("embedding_length_per_layer_input", &[0.0]),
    ("embedding_scale", &[0.0, 1.0]),
    ("full_attention_interval", &[]),
    ("leading_dense_block_count", &[0.0]),
    ("logit_scale", &[0.0, 1.0]),
    ("nextn_predict_layers", &[0.0]),
    ("rescale_every_n_layers", &[0.0]),
    ("residual_scale", &[0.0, 1.0]),
    ("rope.scaling.alpha", &[0.0, 1.0]),
    ("rope.scaling.attn_factor", &[1.0]),
    ("rope.scaling.yarn_attn_factor", &[1.0]),
    ("router_logit_softcapping", &[0.0]),
    ("swin_norm", &[0.0]),
    ("token_shift_count", &[0.0]),
    ("use_parallel_residual", &[0.0]),
];

/// Keys that do nothing at 0, and the architectures that support them.
const HONOURED: [(&str, &[&str]); 3] = [
    ("attn_logit_softcapping", &["gemma2", "gemma3"]),
    ("final_logit_softcapping", &["gemma2", "gemma3"]),
    ("rope.freq_base_swa", &["gemma3"]),
];

/// Prefixes of keys that must be absent.
const PARTS: [&str; 5] = ["altup.", "attention.indexer.", "laurel.", "ssm.", "wkv."];

/// Checks that no key is ignored that should not be; the error names the first one.
pub(super) fn check(file: &Gguf) -> Result<()> {
    let header = file.header();
    let key = |rest: &str| format!("{}.{rest}", file.name());
    let experts = key("expert_count");
    if header.count(&experts)?.is_some_and(|n| n > 0) {
        return Err(Error::Unsupported {
            what: format!("a mixture of experts in {}", header.path().display()),
            remedy: format!("choose a model without `{experts}`"),
        });
    }
    let elsewhere = HONOURED
        .iter()
        .filter(|(_, by)| !by.contains(&file.name()))
        .map(|(rest, _)| (*rest, [0.0].as_slice()));
    for (rest, neutral) in CHANGING.into_iter().chain(elsewhere) {
        let key = key(rest);
        if header.has(&key) && !is_one_of(header, &key, neutral)? {
            return Err(refused(header, &key));
        }
    }
    if let Some(found) = PARTS
        .iter()
        .find_map(|part| header.keys_from(&key(part)).next())
    {
        return Err(refused(header, found));
    }
    let sections = key("rope.dimension_sections");
    if header.has(&sections) {
        return Err(refused(header, &sections));
    }
    let causal = key("attention.causal");
    if header.flag(&causal)? == Some(false) {
        return Err(refused(header, &causal));
    }
    if file.name().starts_with("gemma") {
        return Ok(());
    }
    check_window(
        header,
        &key("attention.sliding_window"),
        &key("context_length"),
    )
}

/// Whether the key is a number among `neutral`, or false where 0 is.
fn is_one_of(header: Header<'_>, key: &str, neutral: &[f64]) -> Result<bool> {
    if let Ok(Some(flag)) = header.flag(key) {
        return Ok(!flag && neutral.contains(&0.0));
    }
    let number = header.number(key)?;
    Ok(number.is_some_and(|number| neutral.contains(&number)))
}

/// llama.cpp lets every layer of these architectures see everything, whatever window the header names, and HuggingFace's Mistral and Qwen2 each have
/// another rule for which layers slide, which the header does not give: a window that a text can outgrow is rejected.
fn check_window(header: Header<'_>, window: &str, context: &str) -> Result<()> {
    let limit = header.count(window)?.filter(|window| *window > 0);
    let (Some(limit), context) = (limit, header.needed(context)?) else {
        return Ok(());
    };
    if limit >= context {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: format!(
            "`{window}` {limit} below a context of {context} in {}",
            header.path().display()
        ),
        remedy: "which layers it is for is not said there, open the model's HuggingFace folder"
            .to_owned(),
    })
}

/// Checks that keys and values are `width` wide, where the header gives their width.
pub(super) fn check_head_width(header: &Header<'_>, name: &str, width: usize) -> Result<()> {
    for (rest, what) in [("key_length", "key"), ("value_length", "value")] {
        let found = header.count(&format!("{name}.attention.{rest}"))?;
        if let Some(found) = found.filter(|found| *found != width) {
            return Err(Error::Unsupported {
                what: format!(
                    "a {what} width of {found} beside a head width of {width} in {}",
                    header.path().display()
                ),
                remedy: "choose a model where they are equal".to_owned(),
            });
        }
    }
    Ok(())
}

fn refused(header: Header<'_>, key: &str) -> Error {
    Error::Unsupported {
        what: format!("`{key}` in {}", header.path().display()),
        remedy: "choose a model without it".to_owned(),
    }
}
