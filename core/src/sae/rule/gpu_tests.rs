//! The terms of rules on wgpu beside those that the rules compute on the CPU.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{Added, Choose, Numbers, Plan, Step, Terms, Wanted, Whole, Work};
use crate::device::{Buffer, Gpu, Table, testing};
use crate::dims::Matrix;
use crate::kernels::charges::gpu::{
    Gates, JumpRelu, JumpReluInputs, add_to_each, closed, gated, jump_relu, largest, magnitudes,
    total_acts,
};
use crate::kernels::codes::{Codes, by_feature};
use crate::kernels::count::gpu::Counts;
use crate::kernels::encode::cases::uneven;
use crate::kernels::encode::{Bar, Product, encode_above};
use crate::kernels::pending::{Floats, read};
use crate::kernels::residual::Residual;
use crate::kernels::residual::gpu::residual;
use crate::latents::Latents;
use crate::sae::gradient::GradientValues;
use crate::sae::jump_relu::SparsityPenalty;
use crate::sae::{Gated, JumpRelu as Thresholds, Law, Penalty, Selection, Variant};

const N: usize = 60;
const D: usize = 12;
const F: usize = 40;

/// A batch and a dictionary.
struct Given {
    centred: Matrix,
    lengths: Vec<f32>,
    w_enc: Matrix,
    b_enc: Vec<f32>,
    w_dec: Matrix,
}

impl Given {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(31);
        Self {
            centred: uneven(&mut rng, N, D),
            lengths: vec![1.0; N],
            w_enc: uneven(&mut rng, F, D),
            b_enc: uneven(&mut rng, 1, F).into_values(),
            w_dec: uneven(&mut rng, F, D),
        }
    }

    fn step(&self) -> Step<'_> {
        Step {
            numbers: Numbers {
                features: F,
                width: D,
                done: 0.5,
                k_warmup: (0, 0.0),
                variance: 60.0,
                whole: Whole {
                    tokens: N,
                    l0: None,
                },
            },
            centred: &self.centred,
            target: &self.centred,
            lengths: &self.lengths,
            gradients: None,
            w_enc: &self.w_enc,
            b_enc: &self.b_enc,
            w_dec: &self.w_dec,
            product: Product::Exact,
        }
    }
}

fn wanted(sparsity_penalty: SparsityPenalty) -> Wanted {
    Wanted {
        features: F,
        k: 3,
        penalty: Penalty {
            weight: 0.3,
            warmup: 0.1,
        },
        unit: 2.0,
        law: Law {
            given: None,
            tau: 0.1,
        },
        phase: 0.3,
        multi_topk: true,
        levels: 3,
        beta: 1.0,
        gradient_values: GradientValues::Scores,
        sparsity_penalty,
        bandwidth: 0.8,
        initial_threshold: 0.5,
    }
}

/// A step of a rule on the CPU: plan, pre-activations as they were selected, code, residual, gradients of entries, and what it adds.
struct OnCpu {
    plan: Plan,
    selected: Latents,
    latents: Latents,
    before: Vec<f32>,
    after: Vec<f32>,
    added: Added,
}

fn on_cpu(
    given: &Given,
    variant: Variant,
    selection: Option<&Selection>,
    wanted: &Wanted,
) -> OnCpu {
    let step = given.step();
    let mut rule = variant.rule(wanted);
    if let Some(selection) = selection {
        rule.take_over(selection);
    }
    let plan = rule.plan(&step.numbers).unwrap();
    let bar = match &plan.choose {
        Choose::Above(super::Bars::ByFeature(bars)) => Bar::ByFeature(bars),
        _ => Bar::All(0.0),
    };
    let selected = encode_above(step.centred, step.w_enc, step.b_enc, bar).unwrap();
    let mut work = Work::default();
    let latents = work.choose(rule.as_mut(), &plan, &step).unwrap();
    let mut left = Residual::default();
    work.decode(&plan, &step, &latents, &mut left).unwrap();
    let before = left.d_acts.clone();
    let mut after = left.d_acts;
    let added = work.charge(&plan, &step, &latents, &mut after).unwrap();
    OnCpu {
        plan,
        selected: match work.second() {
            Some(second) => second.latents.clone(),
            None => selected,
        },
        latents,
        before,
        after,
        added,
    }
}

/// Compares within 1e-5 of the largest value; a nudged value must fail.
#[track_caller]
fn close(got: &[f32], want: &[f32]) {
    let most = want.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let near = |got: &[f32]| {
        let mut pairs = got.iter().zip(want);
        got.len() == want.len() && pairs.all(|(a, b)| (a - b).abs() <= 1e-5 * most)
    };
    assert!(near(got), "{got:?}\n{want:?}");
    let mut nudged = got.to_vec();
    nudged[0] += 1e-3 * most;
    assert!(!near(&nudged), "a nudged value passed");
}

#[track_caller]
fn close_sum(got: f64, want: f64) {
    let near = |got: f64| (got - want).abs() <= 1e-5 * want.abs();
    assert!(near(got) && !near(1.001 * got + 1e-9), "{got} {want}");
}

fn floats(gpu: &Gpu, buffer: &Buffer) -> Vec<f32> {
    read(gpu, &Floats(buffer.clone())).unwrap()
}

#[test]
fn jump_relu_on_wgpu_charges_what_the_rule_charges() {
    let Some(gpu) = testing::gpu() else { return };
    let given = Given::new();
    let numbers = given.step().numbers;
    let thresholds: Vec<f32> = (0..F).map(|f| 0.1 * (f % 13) as f32).collect();
    let selection = Selection::JumpRelu(Thresholds { thresholds });
    for charge in [
        SparsityPenalty::Step,
        SparsityPenalty::Tanh,
        SparsityPenalty::Target,
    ] {
        let cpu = on_cpu(&given, Variant::JumpRelu, Some(&selection), &wanted(charge));
        let Terms::JumpRelu(jump) = &cpu.plan.terms else {
            panic!("not JumpReLU's terms")
        };
        let pre = Codes::upload(&gpu, &cpu.selected).unwrap();
        let thresholds = gpu.upload("thresholds", &jump.thresholds).unwrap();
        let codes = closed(&gpu, &pre, &thresholds).unwrap();
        assert_eq!(codes.read(&gpu).unwrap(), cpu.latents);
        let counts = Counts::zeros(&gpu, F).unwrap();
        counts.add(&gpu, &codes).unwrap();
        let (flat, by_l0) = match charge {
            SparsityPenalty::Target => (0.0, Some((jump.charged(4.0).0, 3.0))),
            _ => (jump.charged(0.0).0, None),
        };
        let with = JumpRelu {
            width: jump.width,
            tokens: N,
            slope: flat,
            by_l0,
            tanh: jump.tanh(&numbers).map(|(slope, each)| (each, slope)),
        };
        let inputs = JumpReluInputs {
            codes: &codes,
            pre: &pre.acts,
            thresholds: &thresholds,
            by_feature: &by_feature(&gpu, &codes, F).unwrap(),
            active: &counts.active,
        };
        let d_acts = gpu.upload("d_acts", &cpu.before).unwrap();
        let terms = jump_relu(&gpu, inputs, with, &d_acts).unwrap();
        close(&floats(&gpu, &d_acts), &cpu.after);
        close(&floats(&gpu, &terms.d_thresholds), &cpu.added.own[0]);
        let (tanh, (_, active)) = read(&gpu, &(&terms.tanh, &counts)).unwrap();
        let of_l0 = jump.charged(f64::from(active) / N as f64).1;
        close_sum(tanh + of_l0, cpu.added.loss);
    }
}

#[test]
fn gates_on_wgpu_charge_what_the_rule_charges() {
    let Some(gpu) = testing::gpu() else { return };
    let given = Given::new();
    let scale = given.step().numbers.scale();
    let selection = Selection::Gated(Gated {
        b_mag: (0..F).map(|f| 0.3 * ((f % 7) as f32 - 4.0)).collect(),
        r_mag: (0..F).map(|f| 0.2 * ((f % 5) as f32 - 2.0)).collect(),
    });
    let wanted = wanted(SparsityPenalty::Step);
    let cpu = on_cpu(&given, Variant::Gated, Some(&selection), &wanted);
    let Terms::Gated(own) = &cpu.plan.terms else {
        panic!("not the gated variant's terms")
    };
    let upload = |values: &[f32]| gpu.upload("values", values).unwrap();
    let gates = Codes::upload(&gpu, &cpu.selected).unwrap();
    let (b_enc, b_mag, r_mag) = (upload(&given.b_enc), upload(&own.b_mag), upload(&own.r_mag));
    let with = Gates {
        b_enc: &b_enc,
        b_mag: &b_mag,
        r_mag: &r_mag,
    };
    let codes = magnitudes(&gpu, &gates, with).unwrap();
    close(&floats(&gpu, &codes.acts), &cpu.latents.acts);
    assert!(cpu.latents.acts.contains(&0.0));
    let target = Table::upload(&gpu, "target", &given.centred).unwrap();
    let w_dec = Table::upload(&gpu, "w_dec", &given.w_dec).unwrap();
    let left = residual(&gpu, &target, &gates, &w_dec, scale).unwrap();
    add_to_each(&gpu, &left.d_acts, gates.entries, own.each as f32).unwrap();
    let d_acts = upload(&cpu.before);
    let sorted = by_feature(&gpu, &gates, F).unwrap();
    let d = (&left.d_acts, &d_acts);
    let terms = gated(&gpu, (&gates, &codes), with, &sorted, d).unwrap();
    close(
        &floats(&gpu, &left.d_acts),
        cpu.added.d_bias.as_ref().unwrap(),
    );
    close(&floats(&gpu, &d_acts), &cpu.after);
    close(&floats(&gpu, &terms.d_b_mag), &cpu.added.own[0]);
    close(&floats(&gpu, &terms.d_r_mag), &cpu.added.own[1]);
    let total = total_acts(&gpu, &gates).unwrap();
    let (sums, total) = read(&gpu, &(&left.pending, &total)).unwrap();
    let denominator = given.step().numbers.denominator();
    close_sum(
        sums.squared / denominator + own.each * total,
        cpu.added.loss,
    );
}

#[test]
fn relu_and_the_longer_code_on_wgpu_are_those_of_the_rules() {
    let Some(gpu) = testing::gpu() else { return };
    let given = Given::new();
    let wanted = wanted(SparsityPenalty::Step);
    let cpu = on_cpu(&given, Variant::Relu, None, &wanted);
    let Terms::Relu { each } = cpu.plan.terms else {
        panic!("not ReLU's terms")
    };
    let codes = Codes::upload(&gpu, &cpu.latents).unwrap();
    let d_acts = gpu.upload("d_acts", &cpu.before).unwrap();
    add_to_each(&gpu, &d_acts, codes.entries, each as f32).unwrap();
    assert_eq!(floats(&gpu, &d_acts), cpu.after);
    let total = total_acts(&gpu, &codes).unwrap();
    close_sum(each * read(&gpu, &total).unwrap(), cpu.added.loss);
    let cpu = on_cpu(&given, Variant::TopK, None, &wanted);
    assert!(cpu.selected.acts.len() > cpu.latents.acts.len());
    let longer = Codes::upload(&gpu, &cpu.selected).unwrap();
    let kept = largest(&gpu, &longer, 3).unwrap();
    assert_eq!(kept.read(&gpu).unwrap(), cpu.latents);
}
