//! The rules of the choice, on facts alone.

use super::{Job, SizeClass};
use crate::device::{AdapterFacts, AdapterKind, DeviceWish};
use crate::error::{Error, Key, Result};

/// Returns the reason why `job` stays on the CPU whatever adapters there are.
pub(super) fn needs_no_gpu(job: &Job) -> Option<String> {
    if let Some(reason) = &job.uncovered {
        return Some(reason.clone());
    }
    let operations = job.operations();
    (SizeClass::new(operations) == SizeClass::Small).then(|| {
        format!(
            "{:.2} GFLOP a step are too few to gain from a GPU",
            operations / 1e9
        )
    })
}

/// Says, as a predicate of the adapter, why it cannot run `job`.
pub(super) fn unfit(facts: &AdapterFacts, job: &Job) -> Option<String> {
    if let Some(lack) = facts.limits.lack(job.width) {
        return Some(lack);
    }
    let memory = facts.memory_bytes?;
    (job.bytes > memory).then(|| {
        format!(
            "has {} MB of memory, the job needs {}",
            memory >> 20,
            job.bytes >> 20
        )
    })
}

/// Returns the adapters that may be faster than the CPU, or why there is none.
pub(super) fn candidates(all: &[AdapterFacts], job: &Job) -> Result<Vec<usize>, String> {
    if all.is_empty() {
        return Err(NONE.to_owned());
    }
    let real = |which: &usize| all[*which].kind != AdapterKind::Software;
    let real: Vec<usize> = (0..all.len()).filter(real).collect();
    if real.is_empty() {
        let names: Vec<&str> = all.iter().map(|facts| facts.name.as_str()).collect();
        return Err(format!(
            "there is no GPU, only a software adapter ({})",
            names.join(", ")
        ));
    }
    let reasons = real
        .iter()
        .filter_map(|which| Some((&all[*which].name, unfit(&all[*which], job)?)));
    let reasons: Vec<String> = reasons
        .map(|(name, reason)| format!("{name} {reason}"))
        .collect();
    let fit: Vec<usize> = (real.into_iter())
        .filter(|which| unfit(&all[*which], job).is_none())
        .collect();
    if fit.is_empty() {
        return Err(reasons.join("; "));
    }
    Ok(fit)
}

/// Returns the number of the GPU that encodes a batch faster than the CPU and than the other GPUs, if there is one, and the reason. Times are milliseconds, or why
/// there is none, as a predicate of the device.
pub(super) fn faster(
    cpu: &Result<f64, String>,
    gpus: &[(&str, &Result<f64, String>)],
    class: SizeClass,
) -> (Option<usize>, String) {
    let measured = gpus.iter().enumerate();
    let measured = measured.filter_map(|(at, (name, ms))| Some((at, *name, *ms.as_ref().ok()?)));
    let best = measured.min_by(|a, b| a.2.total_cmp(&b.2));
    match (best, cpu) {
        (None, _) => {
            let reasons = gpus.iter().filter_map(|(name, ms)| {
                let reason = ms.as_ref().err()?;
                Some(format!("{name} {reason}"))
            });
            (None, reasons.collect::<Vec<_>>().join("; "))
        }
        (Some(_), Err(reason)) => (None, format!("the CPU {reason}")),
        (Some((at, name, gpu)), Ok(cpu)) => {
            let taken = (gpu < *cpu).then_some(at);
            let why = format!(
                "{name} takes {gpu:.1} ms to encode a batch of the class “{class}”, the CPU {cpu:.1} ms"
            );
            (taken, why)
        }
    }
}

/// Why there is no adapter.
const NONE: &str = "no GPU was found: there is no driver for Vulkan, Metal or DirectX 12";

/// Order in which adapters are preferred before any is measured.
fn rank(kind: AdapterKind) -> usize {
    match kind {
        AdapterKind::Discrete => 0,
        AdapterKind::Integrated => 1,
        AdapterKind::Other => 2,
        AdapterKind::Software => 3,
    }
}

/// Returns the adapter of this number, or the best one.
pub(super) fn asked_for(number: Option<usize>, all: &[AdapterFacts], job: &Job) -> Result<usize> {
    let refuse = |what: String| Err(Error::setting(Key::Device, what));
    if all.is_empty() {
        return refuse(format!("{NONE}; choose cpu or auto"));
    }
    let refusal = |which: usize| unfit(&all[which], job);
    if let Some(number) = number {
        if number >= all.len() {
            let there = all
                .iter()
                .map(|facts| format!("{} ({})", facts.id, facts.name));
            let there: Vec<String> = there.collect();
            return refuse(format!(
                "there is no {}, choose among cpu, {}",
                DeviceWish::Gpu(Some(number)),
                there.join(", ")
            ));
        }
        return match refusal(number) {
            Some(what) => Err(no_use(&all[number], &what)),
            None => Ok(number),
        };
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|which| rank(all[*which].kind));
    let fit = order
        .iter()
        .copied()
        .find(|which| refusal(*which).is_none());
    fit.ok_or_else(|| {
        let best = order[0];
        no_use(&all[best], &refusal(best).unwrap_or_default())
    })
}

/// Error for an adapter that cannot run a job.
fn no_use(facts: &AdapterFacts, what: &str) -> Error {
    Error::Device {
        device: facts.name.clone(),
        what: format!("{what}: choose the CPU or another adapter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{AdapterFeatures, AdapterLimits};

    fn facts(number: usize, name: &str, kind: AdapterKind) -> AdapterFacts {
        AdapterFacts {
            id: format!("wgpu:{number}"),
            name: name.to_owned(),
            driver: String::new(),
            backend: "vulkan".to_owned(),
            kind,
            memory_bytes: Some(8 << 30),
            limits: AdapterLimits::NEEDED,
            features: AdapterFeatures {
                subgroup: true,
                f16: false,
                timestamps: false,
                packed_dot: false,
            },
            identity: name.to_owned(),
        }
    }

    fn three() -> Vec<AdapterFacts> {
        vec![
            facts(0, "soft", AdapterKind::Software),
            facts(1, "shared", AdapterKind::Integrated),
            facts(2, "card", AdapterKind::Discrete),
        ]
    }

    #[test]
    fn auto_passes_over_software_and_the_unfit_and_says_why() {
        let job = Job::new(4_096, 768, 24_576);
        assert_eq!(candidates(&three(), &job), Ok(vec![1, 2]));
        let mut all = three();
        all[1].limits.storage_buffers = 4;
        assert_eq!(candidates(&all, &job), Ok(vec![2]));
        let large = Job {
            bytes: 9 << 30,
            ..job.clone()
        };
        assert_eq!(
            candidates(&all, &large).unwrap_err(),
            "shared offers 4 storage buffers per kernel, 8 are needed; card has 8192 MB of memory, the job needs 9216"
        );
        assert_eq!(
            candidates(&all[..1], &job).unwrap_err(),
            "there is no GPU, only a software adapter (soft)"
        );
        assert!(
            candidates(&[], &job)
                .unwrap_err()
                .starts_with("no GPU was found")
        );
    }

    #[test]
    fn small_and_uncovered_jobs_ask_for_no_gpu() {
        assert_eq!(
            needs_no_gpu(&Job::new(256, 64, 512)).unwrap(),
            "0.02 GFLOP a step are too few to gain from a GPU"
        );
        let job = Job::new(4_096, 4_096, 65_536);
        assert_eq!(needs_no_gpu(&job), None);
        let uncovered = Job {
            uncovered: Some("the variant `x` runs only on the CPU".to_owned()),
            ..job
        };
        assert_eq!(needs_no_gpu(&uncovered), uncovered.uncovered);
    }

    #[test]
    fn the_faster_one_is_taken_and_a_time_that_is_missing_decides_nothing() {
        let missing: Result<f64, String> = Err("is not measured yet".to_owned());
        let class = SizeClass::Large;
        let two = [("a", &Ok(20.0)), ("b", &Ok(10.0))];
        let (taken, why) = faster(&Ok(15.0), &two, class);
        assert_eq!(taken, Some(1));
        assert_eq!(
            why,
            "b takes 10.0 ms to encode a batch of the class “large”, the CPU 15.0 ms"
        );
        assert_eq!(faster(&Ok(9.0), &two, class).0, None);
        assert_eq!(faster(&Ok(10.0), &two, class).0, None);
        let (taken, why) = faster(&Ok(9.0), &[("a", &missing)], class);
        assert_eq!((taken, why.as_str()), (None, "a is not measured yet"));
        let (taken, why) = faster(&missing, &two, class);
        assert_eq!((taken, why.as_str()), (None, "the CPU is not measured yet"));
        let (taken, _) = faster(&Ok(15.0), &[("a", &missing), ("b", &Ok(10.0))], class);
        assert_eq!(taken, Some(1));
    }

    #[test]
    fn a_number_is_taken_at_its_word_and_none_means_the_best() {
        let job = Job::new(256, 64, 512);
        let all = three();
        assert_eq!(asked_for(Some(0), &all, &job).unwrap(), 0);
        assert_eq!(asked_for(None, &all, &job).unwrap(), 2);
        assert_eq!(asked_for(None, &all[..1], &job).unwrap(), 0);
        let said = asked_for(Some(3), &all, &job).unwrap_err().to_string();
        assert_eq!(
            said,
            "device: there is no wgpu:3, choose among cpu, wgpu:0 (soft), wgpu:1 (shared), wgpu:2 (card)"
        );
        let said = asked_for(None, &[], &job).unwrap_err().to_string();
        assert!(said.starts_with("device: no GPU was found"), "{said}");
        let mut tiny = three();
        tiny[2].limits.workgroup_threads = 64;
        assert_eq!(asked_for(None, &tiny, &job).unwrap(), 1);
        let said = asked_for(Some(2), &tiny, &job).unwrap_err().to_string();
        assert_eq!(
            said,
            "card offers 64 threads per workgroup, 256 are needed: choose the CPU or another adapter"
        );
    }
}
