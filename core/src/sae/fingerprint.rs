//! Fingerprint of a dictionary: it identifies the computation and the hook, independent of the file format.
//!
//! SHA-256 over its settings in one canonical text and over its tensors, feature-major, as f32. Files with equal numbers have equal fingerprints;
//! rounding to f16 changes it. Names, figures and other provenance do not count.

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{CodeAttention, InputNorm, Role, Sae, Selection};
use crate::ids::{HookPoint, Site};

/// Version of the fingerprint; change it whenever the same dictionary would get another one.
const FORM: &str = "umbra dictionary 1";
/// Numbers hashed per task.
const PART: usize = 1 << 18;

/// Settings and tensors to hash, in order.
#[derive(Default)]
struct Gathered<'a> {
    settings: Vec<String>,
    /// Names, shapes and values.
    tensors: Vec<(String, Vec<usize>, &'a [f32])>,
}

impl Sae {
    /// Computes the fingerprint, a hex SHA-256. It reads every weight.
    pub fn fingerprint(&self) -> String {
        let mut all = Gathered::default();
        all.gather(self);
        all.hashed()
    }
}

impl<'a> Gathered<'a> {
    fn gather(&mut self, sae: &'a Sae) {
        let subtracts = sae.subtracts() && sae.b_dec.iter().any(|b| *b != 0.0);
        self.setting("reads", canonical(sae.provenance.hook));
        if let Some(head) = sae.provenance.head {
            self.setting("of head", head);
        }
        if let Some(of) = &sae.error_of {
            self.setting("part", of.part().said());
            self.setting("parent", of.parent_fingerprint());
            if let Some(map) = of.map() {
                self.tensor("map", &[map.rows(), map.columns()], map.values());
            }
        }
        self.setting("subtracts b_dec", subtracts);
        let norm = match sae.input_norm {
            InputNorm::None => "none",
            InputNorm::Layer => "layer",
            InputNorm::Constant => "constant",
        };
        self.setting("input", norm);
        let d_out = sae.w_dec.columns();
        self.tensor("w_enc", &[sae.features(), sae.width()], sae.w_enc.values());
        self.vector("b_enc", &sae.b_enc);
        self.tensor("w_dec", &[sae.features(), d_out], sae.w_dec.values());
        self.vector("b_dec", &sae.b_dec);
        self.selection(&sae.selection);
        self.role(&sae.role);
    }

    fn setting(&mut self, key: &str, value: impl std::fmt::Display) {
        self.settings.push(format!("{key} = {value}"));
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &'a [f32]) {
        self.tensors.push((name.to_owned(), shape.to_vec(), values));
    }

    fn vector(&mut self, name: &str, values: &'a [f32]) {
        self.tensor(name, &[values.len()], values);
    }

    fn selection(&mut self, selection: &'a Selection) {
        self.setting("keeps", selection.canonical());
        for (name, values) in selection.held() {
            self.vector(name, values);
        }
    }

    fn role(&mut self, role: &'a Role) {
        match role {
            Role::Autoencoder => self.setting("is", "autoencoder"),
            Role::Transcoder(_) => self.setting("is", "transcoder"),
            Role::CrossLayer { later, .. } => self.setting("is", format!("layer of {later} more")),
            Role::Temporal(predictor) => {
                self.setting("is", format!("temporal, {} heads", predictor.heads));
                for (i, layer) in predictor.layers.iter().enumerate() {
                    self.attention(i, layer);
                }
            }
        }
        if let Some(transcoder) = role.transcoder() {
            self.setting("writes", canonical(transcoder.hook_out));
            if let Some(skip) = &transcoder.w_skip {
                self.tensor("w_skip", &[skip.rows(), skip.columns()], skip.values());
            }
        }
    }

    fn attention(&mut self, layer: usize, of: &'a CodeAttention) {
        for (name, linear) in [
            ("key", &of.key),
            ("query", &of.query),
            ("value", &of.value),
            ("output", &of.output),
        ] {
            let shape = [linear.weight.rows(), linear.weight.columns()];
            let name = format!("{layer}.{name}");
            self.tensor(&format!("{name}.weight"), &shape, linear.weight.values());
            self.vector(&format!("{name}.bias"), &linear.bias);
        }
    }

    fn hashed(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{FORM}\n{}\n", self.settings.join("\n")));
        for (name, shape, values) in &self.tensors {
            hash.update(format!("{name} {shape:?}\n"));
            let parts: Vec<_> = values.par_chunks(PART).map(part).collect();
            for part in parts {
                hash.update(part);
            }
        }
        format!("{:x}", hash.finalize())
    }
}

/// SHA-256 of numbers, with −0 read as 0.
fn part(values: &[f32]) -> [u8; 32] {
    let bytes: Vec<u8> = (values.iter())
        .flat_map(|value| (value + 0.0).to_le_bytes())
        .collect();
    Sha256::digest(bytes).into()
}

/// Canonical name of a hook: the input of a block is named as the output of the block before.
fn canonical(hook: Option<HookPoint>) -> String {
    match hook {
        Some(HookPoint::Block(layer, Site::ResidPre)) if layer.index() > 0 => {
            HookPoint::block(layer.index() - 1, Site::ResidPost).to_string()
        }
        Some(hook) => hook.to_string(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::sae::{JumpRelu, TopK};

    fn tiny() -> Sae {
        let rows = Matrix::new(2, 2, vec![1.0, -0.0, 0.5, 1.0]).unwrap();
        Sae::new(
            "tiny",
            (rows.clone(), vec![0.25; 2]),
            (rows, vec![0.0, 1.0]),
            TopK { k: 1 },
        )
        .reading(HookPoint::block(0, Site::ResidPost))
    }

    /// Fingerprint by hand: the canonical text, then each tensor's line and the SHA-256 of its little-endian bytes.
    #[test]
    fn it_is_the_checksum_of_settings_and_tensors() {
        let mut bytes = b"umbra dictionary 1\nreads = blocks.0.hook_resid_post\nsubtracts b_dec = true\ninput = none\nkeeps = topk 1\nis = autoencoder\n".to_vec();
        let rows: &[f32] = &[1.0, 0.0, 0.5, 1.0];
        for (line, values) in [
            ("w_enc [2, 2]\n", rows),
            ("b_enc [2]\n", &[0.25, 0.25]),
            ("w_dec [2, 2]\n", rows),
            ("b_dec [2]\n", &[0.0, 1.0]),
        ] {
            bytes.extend(line.bytes());
            let values: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            bytes.extend(Sha256::digest(values));
        }
        assert_eq!(tiny().fingerprint(), format!("{:x}", Sha256::digest(bytes)));
    }

    #[test]
    fn what_computes_another_thing_has_another_and_what_does_not_has_the_same() {
        let of = |change: &dyn Fn(&mut Sae)| {
            let mut sae = tiny();
            change(&mut sae);
            sae.fingerprint()
        };
        let own = tiny().fingerprint();
        let same: [&dyn Fn(&mut Sae); 3] = [
            &|sae| sae.name = "other".to_owned(),
            &|sae| sae.provenance.model = "other".to_owned(),
            &|sae| sae.provenance.hook = Some(HookPoint::block(1, Site::ResidPre)),
        ];
        for change in same {
            assert_eq!(of(change), own);
        }
        let others: [&dyn Fn(&mut Sae); 9] = [
            &|sae| sae.provenance.head = Some(crate::ids::Head(0)),
            &|sae| sae.w_enc.values_mut()[0] += 1e-6,
            &|sae| sae.b_enc[1] = 0.0,
            &|sae| sae.selection = Selection::TopK(TopK { k: 2 }),
            &|sae| {
                sae.selection = Selection::JumpRelu(JumpRelu {
                    thresholds: vec![0.0; 2],
                });
            },
            &|sae| sae.input_norm = InputNorm::Layer,
            &|sae| sae.apply_b_dec_to_input = false,
            &|sae| sae.provenance.hook = Some(HookPoint::block(1, Site::ResidPost)),
            &|sae| sae.role = Role::Transcoder(crate::sae::Transcoder::default()),
        ];
        for change in others {
            assert_ne!(of(change), own);
        }
        // Where b_dec is zero it does not matter whether it is subtracted.
        let unshifted = |subtracted| {
            of(&|sae| {
                sae.b_dec.fill(0.0);
                sae.apply_b_dec_to_input = subtracted;
            })
        };
        assert_eq!(unshifted(true), unshifted(false));
    }
}
