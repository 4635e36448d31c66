//! A forward pass over its matrix products alone, a generated token over one reading of the weights, and the memory of a pass over that of the
//! weights: `cargo bench -p umbra-core --bench forward`.
//!
//! A model of the size of SmolLM2 (30 layers, d 576, 9 heads on 3, MLP 1536, vocabulary 49152, random weights) reads 128 tokens: all logits, then the
//! same with one hook captured, then the same products one after another by `gemm` on the same threads, into memory allocated before and from
//! weights of the same size and layout. Then it writes tokens after those 128 with its cache, in turn with matrix-vector products over weights of the
//! same number and sizes. All are timed in turn and medians are compared, so that other work on the machine weighs on all. Memory is what the
//! allocator hands out during a pass beyond what it held before.

mod counting;

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use gemm::Parallelism;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use umbra_core::error::Result;
use umbra_core::ids::{HookPoint, Site, TokenId};
use umbra_core::models::{Hooks, Model, NoHooks, Sampling, Start};

use self::counting::{Counting, HELD, PEAK};

const LAYERS: usize = 30;
const D: usize = 576;
const HEADS: usize = 9;
const KEYS: usize = 3;
const HEAD: usize = 64;
const MLP: usize = 1536;
const VOCAB: usize = 49_152;
const TOKENS: usize = 128;
const WARM_UP: usize = 3;
const ROUNDS: usize = 25;
/// Tokens written after the prompt.
const WRITTEN: usize = 40;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `[out, in]` of each product with weights in a layer.
const WEIGHTS: [(&str, usize, usize); 7] = [
    ("self_attn.q_proj", HEADS * HEAD, D),
    ("self_attn.k_proj", KEYS * HEAD, D),
    ("self_attn.v_proj", KEYS * HEAD, D),
    ("self_attn.o_proj", D, HEADS * HEAD),
    ("mlp.gate_proj", MLP, D),
    ("mlp.up_proj", MLP, D),
    ("mlp.down_proj", D, MLP),
];

fn random(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-0.05..0.05)).collect()
}

/// The folder of a model with random weights.
fn write(folder: &Path, rng: &mut ChaCha8Rng) -> Result<()> {
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": D, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KEYS, "intermediate_size": MLP, "vocab_size": VOCAB, "max_position_embeddings": 2048,
        "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "rope_theta": 100_000.0,
    });
    let mut tensors = std::collections::HashMap::new();
    let mut put = |name: String, out: usize, width: usize| -> Result<()> {
        let values = Tensor::from_vec(random(rng, out * width), (out, width), &Device::Cpu)?;
        tensors.insert(name, values.to_dtype(DType::F16)?);
        Ok(())
    };
    put("model.embed_tokens.weight".to_owned(), VOCAB, D)?;
    for layer in 0..LAYERS {
        for (name, out, width) in WEIGHTS {
            put(format!("model.layers.{layer}.{name}.weight"), out, width)?;
        }
    }
    let norms = (0..LAYERS).flat_map(|layer| {
        ["input_layernorm", "post_attention_layernorm"]
            .map(|name| format!("model.layers.{layer}.{name}.weight"))
    });
    for name in norms.chain(["model.norm.weight".to_owned()]) {
        tensors.insert(name, Tensor::ones(D, DType::F16, &Device::Cpu)?);
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors"))?;
    let text = config.to_string();
    std::fs::write(folder.join("config.json"), text)
        .map_err(|e| umbra_core::error::Error::io("writing the bench's model", folder, e))
}

/// Captures one hook of a pass that runs to its end.
struct One(Option<Tensor>);

impl Hooks for One {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == HookPoint::block(LAYERS / 2, Site::ResidPost)
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        self.0 = Some(value.clone());
        Ok(None)
    }
}

/// `[m, k] · [n, k]ᵀ` into `[m, n]`; on one thread within rayon's pool, on all elsewhere.
fn product(into: &mut [f32], (m, n, k): (usize, usize, usize), left: &[f32], right: &[f32]) {
    let parallelism = match rayon::current_thread_index() {
        Some(_) => Parallelism::None,
        None => Parallelism::Rayon(0),
    };
    assert!(into.len() >= m * n && left.len() >= m * k && right.len() >= n * k);
    // SAFETY: the assertion above says that the slices hold what the shapes reach.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.as_ptr(),
            1,
            k as isize,
            right.as_ptr(),
            k as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The memory of all products of one pass.
struct Products {
    layers: Vec<Vec<Vec<f32>>>,
    embed: Vec<f32>,
    left: Vec<f32>,
    into: Vec<f32>,
}

impl Products {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        // Query, key and value are one product, as in the model.
        let shapes = [
            ((HEADS + 2 * KEYS) * HEAD, D),
            (D, HEADS * HEAD),
            (MLP, D),
            (MLP, D),
            (D, MLP),
        ];
        let mut layer = || shapes.map(|(out, width)| random(rng, out * width)).into();
        Self {
            layers: (0..LAYERS).map(|_| layer()).collect(),
            embed: random(rng, VOCAB * D),
            left: random(rng, TOKENS * MLP),
            into: vec![0.0; TOKENS * VOCAB],
        }
    }

    fn run(&mut self) {
        let Self {
            layers,
            embed,
            left,
            into,
        } = self;
        for layer in layers {
            for (at, weight) in layer.iter().enumerate() {
                let width = if at == 4 { MLP } else { D };
                product(into, (TOKENS, weight.len() / width, width), left, weight);
            }
            // A head at a time, as in the model.
            let heads = into.par_chunks_mut(TOKENS * TOKENS).take(HEADS);
            heads.for_each(|into| {
                product(into, (TOKENS, TOKENS, HEAD), left, embed);
                product(into, (TOKENS, HEAD, TOKENS), left, embed);
            });
        }
        product(into, (TOKENS, VOCAB, D), left, embed);
    }
}

/// Lanes of a dot product, enough to keep the widest units busy.
const LANES: usize = 32;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

impl Products {
    /// One matrix-vector product with every weight, row by row on all threads.
    fn stream(&mut self) {
        let Self {
            layers,
            embed,
            left,
            into,
        } = self;
        let weights = layers.iter().flat_map(|layer| layer.iter().enumerate());
        let weights = weights.map(|(at, weight)| (weight, if at == 4 { MLP } else { D }));
        for (weight, width) in weights.chain([(&*embed, D)]) {
            let rows = 64;
            let outputs = &mut into[..weight.len() / width];
            outputs
                .par_chunks_mut(rows)
                .zip(weight.par_chunks(rows * width))
                .for_each(|(into, weight)| {
                    for (into, row) in into.iter_mut().zip(weight.chunks_exact(width)) {
                        *into = dot(&left[..width], row);
                    }
                });
        }
    }
}

/// Milliseconds per token written after the prompt, and per reading of the weights.
fn tokens(model: &Model, products: &mut Products, prompt: &[TokenId]) -> Result<(f64, f64)> {
    let sampling = Sampling {
        temperature: 0.0,
        tokens: WARM_UP + WRITTEN,
        ..Sampling::default()
    };
    let mut generator = model.generator(prompt, &sampling)?;
    generator.step(&mut NoHooks)?;
    let (mut written, mut streamed) = (vec![], vec![]);
    for _ in 1..WARM_UP + WRITTEN {
        timed(&mut written, || generator.step(&mut NoHooks).map(drop))?;
        timed(&mut streamed, || {
            products.stream();
            Ok(())
        })?;
    }
    let warm = |times: &mut Vec<Duration>| median(&mut times[WARM_UP - 1..]);
    Ok((warm(&mut written), warm(&mut streamed)))
}

/// Bytes that a pass needs beyond what was held before it.
fn pass_bytes(model: &Model, tokens: &Tensor) -> Result<usize> {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    model.run(Start::Tokens(tokens), &mut NoHooks)?;
    Ok(PEAK.load(Ordering::Relaxed) - before)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn timed(times: &mut Vec<Duration>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let begun = Instant::now();
    work()?;
    times.push(begun.elapsed());
    Ok(())
}

fn main() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let folder = tempfile::tempdir()
        .map_err(|e| umbra_core::error::Error::io("making a folder for the bench", "", e))?;
    write(folder.path(), &mut rng)?;
    let (model, _) = Model::open(folder.path())?;
    let mut products = Products::new(&mut rng);
    let ids: Vec<u32> = (0..TOKENS as u32).map(|i| i * 379 % VOCAB as u32).collect();
    let prompt: Vec<TokenId> = ids.iter().copied().map(TokenId).collect();
    let tokens = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
    let (mut plain, mut captured, mut alone) = (vec![], vec![], vec![]);
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            plain.clear();
            captured.clear();
            alone.clear();
        }
        let run = |hooks: &mut dyn Hooks| model.run(Start::Tokens(&tokens), hooks).map(drop);
        timed(&mut plain, || run(&mut NoHooks))?;
        timed(&mut captured, || run(&mut One(None)))?;
        timed(&mut alone, || {
            products.run();
            Ok(())
        })?;
    }
    let (plain, captured, alone) = (
        median(&mut plain),
        median(&mut captured),
        median(&mut alone),
    );
    let (written, streamed) = self::tokens(&model, &mut products, &prompt)?;
    let weights = model.footprint().memory_bytes as f64;
    let bytes = pass_bytes(&model, &tokens)? as f64;
    let threads = rayon::current_num_threads();
    let lines = format!(
        "{threads} threads, {ROUNDS} rounds, medians in milliseconds\n\
         forward pass, {TOKENS} tokens   {plain:8.1}\n\
         its matrix products       {alone:8.1}  {:5.1} % of it (75 must hold)\n\
         with one hook captured    {captured:8.1}  {:+5.1} % (3 at most)\n\
         one token with a cache    {written:8.1}\n\
         weights read once         {streamed:8.1}  token / reading {:.2} (1.3 at most)\n\
         memory of the pass        {:8.1} MB, {:4.1} % of the weights' {:.1} MB (15 at most)\n",
        100.0 * alone / plain,
        100.0 * (captured / plain - 1.0),
        written / streamed,
        bytes / 1e6,
        100.0 * bytes / weights,
        weights / 1e6,
    );
    std::io::stdout()
        .write_all(lines.as_bytes())
        .map_err(|e| umbra_core::error::Error::io("printing", "", e))
}
