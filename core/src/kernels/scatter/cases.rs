//! Inputs: ragged and empty codes, a feature that is active on every token, several terms and tables, listed features, two widths.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::gpu;
use super::reference::Term;
use crate::device::{Buffer, Gpu, Table};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::codes::{ByFeature, Codes};
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;

/// One input of the operation.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) terms: Vec<Term>,
    /// `[n, d]`.
    pub(crate) centred: Matrix,
    pub(crate) features: usize,
    /// Width of what is reconstructed.
    pub(crate) writes: usize,
}

/// Sizes of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) n: usize,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) f: usize,
}

/// A term over `f` features, each of a share of the tokens; the first feature of all of them.
pub(crate) fn term(rng: &mut ChaCha8Rng, shape: Shape, share: f64) -> Term {
    let mut latents = Latents::with_capacity(shape.n, shape.f);
    for _ in 0..shape.n {
        let all = 0..shape.f as u32;
        let features: Vec<u32> = all
            .filter(|f| (*f == 0 && share > 0.0) || rng.random_bool(share))
            .collect();
        let acts: Vec<f32> = features
            .iter()
            .map(|_| rng.random_range(-1.0..3.0))
            .collect();
        latents.push_row(&features, &acts);
    }
    let entries = latents.acts.len();
    Term {
        d_acts: uneven(rng, 1, entries).into_values(),
        d_bias: None,
        tables: vec![(usize::MAX, uneven(rng, shape.n, shape.writes))],
        scale: -0.37,
        list: None,
        latents,
    }
}

/// A term over every third feature, from the second on.
pub(crate) fn listed(rng: &mut ChaCha8Rng, shape: Shape, share: f64) -> Term {
    let list: Vec<u32> = (1..shape.f as u32).step_by(3).collect();
    let f = list.len();
    let mut term = term(rng, Shape { f, ..shape }, share);
    term.list = Some(list);
    term
}

fn case(name: &'static str, shape: Shape, terms: Vec<Term>, rng: &mut ChaCha8Rng) -> Case {
    Case {
        name,
        terms,
        centred: uneven(rng, shape.n, shape.reads),
        features: shape.f,
        writes: shape.writes,
    }
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let rng = &mut ChaCha8Rng::seed_from_u64(16);
    let shape = |n, reads, writes, f| Shape {
        n,
        reads,
        writes,
        f,
    };
    let mut all = Vec::new();
    for (name, shape, share) in [
        ("tiny", shape(2, 3, 3, 4), 0.5),
        (
            "ragged, with a feature on every token",
            shape(131, 19, 19, 37),
            0.1,
        ),
        (
            "more tokens than a workgroup holds",
            shape(700, 5, 5, 3),
            0.4,
        ),
        ("several strips", shape(9, 300, 1_030, 21), 0.5),
        ("one token", shape(1, 64, 64, 100), 0.3),
        ("nothing active", shape(5, 8, 8, 6), 0.0),
        ("no token", shape(0, 4, 4, 5), 0.5),
    ] {
        let terms = vec![term(rng, shape, share)];
        all.push(case(name, shape, terms, rng));
    }
    let wide = shape(60, 11, 18, 40);
    let mut gated = term(rng, wide, 0.2);
    gated.d_bias = Some(uneven(rng, 1, gated.d_acts.len()).into_values());
    let second = term(rng, wide, 0.1);
    let aux = listed(rng, wide, 0.6);
    let terms = vec![gated, second, aux.clone()];
    all.push(case("several terms of two widths", wide, terms, rng));
    all.push(case("listed features alone", wide, vec![aux], rng));
    all.push(case("no term", wide, Vec::new(), rng));
    let mut levels = term(rng, wide, 0.3);
    levels.tables = [7, 7, 20, 40]
        .map(|end| (end, uneven(rng, wide.n, wide.writes)))
        .to_vec();
    all.push(case("several tables", wide, vec![levels], rng));
    let mut odd = term(rng, wide, 0.3);
    for (i, act) in odd.latents.acts.iter_mut().enumerate() {
        *act = [0.0, -0.0, 1e-41, 1e30, -1.0][i % 5];
    }
    all.push(case("zeros, denormals, large values", wide, vec![odd], rng));
    all
}

/// A term on a device.
#[derive(Debug)]
pub(crate) struct Uploaded {
    codes: Codes,
    by_feature: ByFeature,
    d_acts: Buffer,
    d_bias: Option<Buffer>,
    tables: Vec<(usize, Table)>,
    list: Option<(Buffer, Vec<u32>)>,
    scale: f32,
}

impl Uploaded {
    /// Copies `term`, over `features`, to `gpu`; entries are sorted by feature here.
    pub(crate) fn new(gpu: &Gpu, term: &Term, features: usize) -> Result<Self> {
        let features = term.list.as_ref().map_or(features, Vec::len);
        let mut entries: Vec<u32> = (0..term.latents.features.len() as u32).collect();
        entries.sort_by_key(|entry| term.latents.features[*entry as usize]);
        let mut offsets = vec![0_u32; features + 1];
        for feature in &term.latents.features {
            offsets[*feature as usize + 1] += 1;
        }
        for i in 0..features {
            offsets[i + 1] += offsets[i];
        }
        let d_bias = term.d_bias.as_ref();
        let tables = term.tables.iter();
        let list = term.list.clone();
        Ok(Self {
            codes: Codes::upload(gpu, &term.latents)?,
            by_feature: ByFeature {
                offsets: gpu.upload("offsets", &offsets)?,
                entries: gpu.upload("entries", &entries)?,
            },
            d_acts: gpu.upload("d_acts", &term.d_acts)?,
            d_bias: d_bias
                .map(|d_bias| gpu.upload("d_bias", d_bias))
                .transpose()?,
            tables: tables
                .map(|(end, table)| Ok((*end, Table::upload(gpu, "table", table)?)))
                .collect::<Result<_>>()?,
            list: list
                .map(|list| Ok::<_, crate::Error>((gpu.upload("list", &list)?, list)))
                .transpose()?,
            scale: term.scale,
        })
    }

    /// Tables by reference, as a term takes them.
    pub(crate) fn tables(&self) -> Vec<(usize, &Table)> {
        self.tables
            .iter()
            .map(|(end, table)| (*end, table))
            .collect()
    }

    /// The term, with its [`Self::tables`].
    pub(crate) fn term<'a>(&'a self, tables: &'a [(usize, &'a Table)]) -> gpu::Term<'a> {
        gpu::Term {
            codes: &self.codes,
            by_feature: &self.by_feature,
            d_acts: &self.d_acts,
            d_bias: self.d_bias.as_ref(),
            tables,
            scale: self.scale,
            list: self
                .list
                .as_ref()
                .map(|(buffer, features)| gpu::List { buffer, features }),
        }
    }
}
