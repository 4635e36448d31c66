//! The list of devices, with their measurements and the one that `auto` takes.

use serde_json::{Value, json};

use super::remembered::Speed;
use super::{Devices, Job, cpu_identity, measure};
use crate::device::{
    Adapter, AdapterFacts, AdapterFeatures, AdapterLimits, DeviceWish, machine_memory, processor,
};
use crate::error::Result;

/// Whether devices are measured when they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measuring {
    /// Lists remembered figures only.
    Never,
    /// Measures what is not remembered.
    Missing,
    /// Measures everything again.
    Again,
}

/// A device of this machine.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Id that the setting `device` takes.
    pub id: String,
    /// Name.
    pub name: String,
    /// Driver and its version; empty for the CPU.
    pub driver: String,
    /// Backend: `cpu`, or Vulkan, Metal, DirectX 12.
    pub backend: String,
    /// `cpu`, `discrete`, `integrated`, `other` or `software`.
    pub kind: &'static str,
    /// Memory, in bytes, where the system tells.
    pub memory_bytes: Option<u64>,
    /// Limits and features of an adapter.
    pub abilities: Option<(AdapterLimits, AdapterFeatures)>,
    /// Measurements.
    pub speed: Speed,
    /// Whether `auto` takes it.
    pub chosen: bool,
    /// Why it cannot be used or measured, as a predicate of the device.
    pub problem: Option<String>,
}

/// All devices.
#[derive(Debug, Clone)]
pub struct List {
    /// The CPU first.
    pub devices: Vec<Listed>,
    /// Id of the one that `auto` takes for the job of the list.
    pub chosen: String,
    /// Reason.
    pub why: String,
}

impl Devices {
    /// Lists all devices, and which of them `auto` takes for `job`. Nothing is measured beside another job.
    pub fn list(&self, job: &Job, measuring: Measuring) -> Result<List> {
        let measuring = if job.beside_another {
            Measuring::Never
        } else {
            measuring
        };
        let mut devices = vec![self.processor(measuring)?];
        let facts = self.facts();
        for (adapter, facts) in self.adapters().iter().zip(&facts) {
            devices.push(self.listed((adapter, facts), job, measuring));
        }
        let job = Job {
            // Only what was measured just now counts.
            beside_another: measuring == Measuring::Never,
            ..job.clone()
        };
        let choice = self.choose(DeviceWish::Auto, &job)?;
        for device in &mut devices {
            device.chosen = device.id == choice.compute.id();
        }
        Ok(List {
            devices,
            chosen: choice.compute.id().to_owned(),
            why: choice.why,
        })
    }

    fn processor(&self, measuring: Measuring) -> Result<Listed> {
        let identity = cpu_identity();
        if measuring == Measuring::Again {
            self.remember(&identity, Speed::default());
        }
        let mut speed = self.remembered.get(&identity);
        if measuring != Measuring::Never {
            let before = speed.clone();
            measure::cpu(&mut speed)?;
            if speed != before {
                self.remember(&identity, speed);
            }
        }
        Ok(Listed {
            id: "cpu".to_owned(),
            name: processor(),
            driver: String::new(),
            backend: "cpu".to_owned(),
            kind: "cpu",
            memory_bytes: machine_memory(),
            abilities: None,
            speed: self.remembered.get(&identity),
            chosen: false,
            problem: None,
        })
    }

    fn listed(
        &self,
        (adapter, facts): (&Adapter, &AdapterFacts),
        job: &Job,
        measuring: Measuring,
    ) -> Listed {
        let mut problem = facts.limits.lack(job.width);
        if problem.is_none() && measuring != Measuring::Never {
            if measuring == Measuring::Again {
                self.remember(&facts.identity, Speed::default());
            }
            if let Err(error) = self.ready(adapter, facts) {
                problem = Some(format!("cannot be measured ({error})"));
            }
        }
        Listed {
            id: facts.id.clone(),
            name: facts.name.clone(),
            driver: facts.driver.clone(),
            backend: facts.backend.clone(),
            kind: facts.kind.name(),
            memory_bytes: facts.memory_bytes,
            abilities: Some((facts.limits, facts.features)),
            speed: self.remembered.get(&facts.identity),
            chosen: false,
            problem,
        }
    }
}

impl Listed {
    /// Returns the device as programs read it.
    pub fn json(&self) -> Value {
        let features = self.abilities.map(|(_, features)| features);
        let limits = self.abilities.map(|(limits, _)| {
            json!({
                "binding_bytes": limits.binding_bytes, "storage_buffers": limits.storage_buffers,
                "workgroup_bytes": limits.workgroup_bytes, "workgroup_threads": limits.workgroup_threads, "workgroups": limits.workgroups,
            })
        });
        json!({
            "id": self.id, "name": self.name, "driver": self.driver, "backend": self.backend, "kind": self.kind, "memory_bytes": self.memory_bytes,
            "product_gflops": self.speed.product_gflops, "copy_gbps": self.speed.copy_gbps,
            "subgroup": features.is_some_and(|f| f.subgroup), "f16": features.is_some_and(|f| f.f16),
            "timestamps": features.is_some_and(|f| f.timestamps), "packed_dot": features.is_some_and(|f| f.packed_dot),
            "limits": limits, "chosen": self.chosen, "problem": self.problem,
        })
    }
}

impl List {
    /// Returns the list as programs read it; `why` is the reason in the program's words.
    pub fn json(&self, why: &str) -> Value {
        let devices: Vec<Value> = self.devices.iter().map(Listed::json).collect();
        json!({ "devices": devices, "chosen": self.chosen, "why": why })
    }
}
