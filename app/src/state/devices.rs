//! The devices of this machine: their list, which one jobs are given, what each was given and why, and how the window draws.

use std::collections::VecDeque;
use std::sync::Arc;

use umbra_core::device::{Compute, DeviceWish};
use umbra_core::workbench::devices::{Choice, Devices, Job, List, Listed};

use super::jobs::{JobId, JobsState};
use super::load::Load;
use crate::words;

/// Frames whose times are kept.
const FRAMES: usize = 120;

/// A batch of a large dictionary, which the list says the choice of: tokens, width, features.
const LARGE: [usize; 3] = [4_096, 1_024, 16_384];

/// Device that a job was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The job.
    pub(crate) job: JobId,
    /// Its name, as in `Evaluate z0`.
    pub(crate) name: String,
    /// Id of the device.
    pub(crate) id: String,
    /// Name of the device.
    pub(crate) label: String,
    /// Reason, as a clause.
    pub(crate) why: String,
}

impl Given {
    /// The device `choice` for a job.
    pub(crate) fn new(job: JobId, name: &str, choice: &Choice) -> Self {
        Self {
            job,
            name: name.to_owned(),
            id: choice.compute.id().to_owned(),
            label: choice.compute.label(),
            why: words::said(&choice.why).into_owned(),
        }
    }

    /// Returns the sentence for people.
    pub(crate) fn said(&self) -> String {
        format!("{}: {} ({})", self.name, self.label, self.why)
    }
}

/// Time of our own work in the latest frames, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Frames(VecDeque<f32>);

impl Frames {
    /// Mean and longest time of a frame; none before the first.
    pub(crate) fn figures(&self) -> Option<(f32, f32)> {
        let longest = self.0.iter().copied().reduce(f32::max)?;
        let sum: f32 = self.0.iter().sum();
        Some((sum / self.0.len() as f32, longest))
    }

    fn add(&mut self, seconds: f32) {
        if self.0.len() == FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(seconds);
    }
}

/// The devices.
#[derive(Debug, Default)]
pub(crate) struct DevicesState {
    /// Lists, chooses and opens them.
    pub(crate) devices: Devices,
    /// The list.
    pub(crate) list: Load<Arc<List>>,
    /// The job that measures them.
    pub(crate) measuring: Option<JobId>,
    /// Devices given to running and lately ended jobs, oldest first, one entry a name.
    pub(crate) given: Vec<Given>,
    /// Device or library that draws the window.
    pub(crate) drawing: String,
    /// Whether kernels run on the device that draws it.
    pub(crate) shared: bool,
    /// Times of frames.
    pub(crate) frames: Frames,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The list is being made, is or could not be.
    List(Load<Arc<List>>),
    /// A job measures the devices.
    Measuring(JobId),
    /// The measurement ended.
    Measured,
    /// A job was given a device.
    Given(Given),
    /// Something draws the window; whether kernels run on the same device.
    Drawing(String, bool),
    /// A frame took so long, in seconds of our own work.
    Frame(f32),
}

impl DevicesState {
    /// The job whose choice the list says.
    pub(crate) fn typical_job() -> Job {
        let [rows, width, features] = LARGE;
        Job::new(rows, width, features)
    }

    /// A device of the list.
    pub(crate) fn listed(&self, id: &str) -> Option<&Listed> {
        let list = self.list.ready()?;
        list.devices.iter().find(|device| device.id == id)
    }

    /// Returns the device of a running job, a GPU before the CPU.
    pub(crate) fn at_work(&self, jobs: &JobsState) -> Option<&Given> {
        let running = |given: &&Given| {
            jobs.get(given.job)
                .is_some_and(super::jobs::Job::is_running)
        };
        let all = || self.given.iter().rev().filter(running);
        all()
            .find(|given| given.id != "cpu")
            .or_else(|| all().next())
    }

    /// Name of what computes: for a running job, else for the next one.
    pub(crate) fn computes(&self, wish: DeviceWish, jobs: &JobsState) -> String {
        if let Some(given) = self.at_work(jobs) {
            return given.label.clone();
        }
        let list = self.list.ready();
        let id = match (wish, list) {
            (DeviceWish::Auto, Some(list)) => list.chosen.clone(),
            (DeviceWish::Auto | DeviceWish::Cpu, _) => "cpu".to_owned(),
            (wish @ DeviceWish::Gpu(_), _) => wish.to_string(),
        };
        match self.listed(&id) {
            Some(device) if device.id != "cpu" => label(device),
            None if id != "cpu" => id,
            _ => Compute::Cpu.label(),
        }
    }

    /// Carries out an event; returns the line for the log where a job is given another device than before.
    pub(super) fn apply(&mut self, event: Event) -> Option<String> {
        match event {
            Event::List(load) => self.list = load,
            Event::Measuring(job) => self.measuring = Some(job),
            Event::Measured => self.measuring = None,
            Event::Given(given) => {
                let same = |before: &Given| before.name == given.name;
                let before = self.given.iter().position(same);
                let before = before.map(|at| self.given.remove(at));
                let is_new =
                    before.is_none_or(|b| (b.id, b.why) != (given.id.clone(), given.why.clone()));
                let line = is_new.then(|| given.said());
                self.given.push(given);
                return line;
            }
            Event::Drawing(drawing, shared) => (self.drawing, self.shared) = (drawing, shared),
            Event::Frame(seconds) => self.frames.add(seconds),
        }
        None
    }
}

/// Name and backend of a device, as a job that computes on it says.
pub(crate) fn label(device: &Listed) -> String {
    format!("{} · {}", device.name, device.backend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(job: u64, name: &str, id: &str) -> Given {
        Given {
            job: JobId(job),
            name: name.to_owned(),
            id: id.to_owned(),
            label: format!("device {id}"),
            why: "it is faster".to_owned(),
        }
    }

    #[test]
    fn a_device_is_told_once_until_it_changes() {
        let mut devices = DevicesState::default();
        let mut tell = |given| devices.apply(Event::Given(given));
        let line = tell(given(0, "Read", "cpu")).unwrap();
        assert_eq!(line, "Read: device cpu (it is faster)");
        assert_eq!(tell(given(1, "Read", "cpu")), None);
        assert!(tell(given(2, "Read", "wgpu:0")).is_some());
        assert!(tell(given(3, "Evaluate", "cpu")).is_some());
        assert_eq!(devices.given.len(), 2);
    }

    #[test]
    fn the_chip_names_what_a_running_job_computes_on() {
        use super::super::jobs::{Event as Jobs, Status};

        let (mut devices, mut jobs) = (DevicesState::default(), JobsState::default());
        let computes =
            |devices: &DevicesState, jobs: &JobsState| devices.computes(DeviceWish::Auto, jobs);
        assert_eq!(computes(&devices, &jobs), Compute::Cpu.label());
        for (id, on) in [(0, "wgpu:1"), (1, "cpu")] {
            jobs.apply(Jobs::Started(JobId(id), format!("Job {id}")));
            devices.apply(Event::Given(given(id, &format!("Job {id}"), on)));
        }
        assert_eq!(computes(&devices, &jobs), "device wgpu:1");
        jobs.apply(Jobs::Ended(JobId(0), Status::Done));
        assert_eq!(computes(&devices, &jobs), "device cpu");
        jobs.apply(Jobs::Ended(JobId(1), Status::Done));
        assert_eq!(devices.computes(DeviceWish::Gpu(Some(3)), &jobs), "wgpu:3");
    }

    #[test]
    fn only_the_latest_frames_count() {
        let mut frames = Frames::default();
        assert_eq!(frames.figures(), None);
        frames.add(1.0);
        for _ in 0..FRAMES {
            frames.add(0.25);
        }
        assert_eq!(frames.figures(), Some((0.25, 0.25)));
    }
}
