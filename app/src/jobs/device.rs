//! The device that runs a job's dictionary. One job at a time computes on a GPU; the others wait for it, or take the CPU while a run trains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use umbra_core::device::DeviceWish;
use umbra_core::error::Result;
use umbra_core::workbench::devices::{Choice, Devices, Job, Placing, Runs};

use super::Worker;
use crate::state::devices::{Event as Computes, Given};
use crate::state::log::Notice;
use crate::state::{AppState, Event, log};

/// Time between two looks whether a GPU is free.
const LOOK: Duration = Duration::from_millis(20);

/// Kind of job that has the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Holder {
    /// One that ends soon: others wait for it.
    Short = 1,
    /// A training run.
    Training = 2,
    /// The measurement of the devices.
    Measuring = 3,
}

impl Holder {
    fn from_number(held: u8) -> Option<Self> {
        [Self::Short, Self::Training, Self::Measuring]
            .into_iter()
            .find(|holder| *holder as u8 == held)
    }

    /// Why a job takes the CPU meanwhile; none if it waits.
    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Short => None,
            Self::Training => Some("a training run uses the GPU"),
            Self::Measuring => Some("the devices are being measured"),
        }
    }
}

/// Who has the GPU: 0 for nobody, else a [`Holder`].
pub(super) type Held = Arc<AtomicU8>;

/// The right to compute on a GPU; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn(Held);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Wishes and facts that decide the device of a job, as of its start.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Name of the job.
    pub(crate) name: String,
    /// The devices that there are.
    pub(crate) devices: Devices,
    /// The one that is asked for.
    pub(crate) wish: DeviceWish,
    /// Whether it runs by itself and waits for no other.
    is_quiet: bool,
}

impl Wanted {
    /// For a job that a person started.
    pub(crate) fn new(state: &AppState, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            devices: state.devices.devices.clone(),
            wish: state.settings.device,
            is_quiet: false,
        }
    }

    /// For a job that follows from what is on screen.
    pub(crate) fn quiet(state: &AppState, name: impl Into<String>) -> Self {
        Self {
            is_quiet: true,
            ..Self::new(state, name)
        }
    }
}

/// A dictionary on its device while a job runs it.
#[derive(Debug)]
pub(crate) struct Computing<'w> {
    worker: &'w Worker,
    placing: Placing,
    _turn: Option<Turn>,
}

impl Computing<'_> {
    /// Returns the device of a job and why it has it; the CPU where the dictionary stayed.
    pub(crate) fn choice(placed: Option<&Self>) -> Choice {
        placed.map_or_else(Choice::default, |placed| placed.placing.choice.clone())
    }
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        if let Some(fault) = self.placing.fault() {
            let notice = Event::Log(log::Event::Show(Notice::failure(fault)));
            self.worker.send(notice);
        }
    }
}

impl Worker {
    /// Takes the right to compute on a GPU, or returns who has it.
    pub(crate) fn turn(&self, holder: Holder) -> Result<Turn, Option<Holder>> {
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        match self.held.compare_exchange(0, holder as u8, order, failed) {
            Ok(_) => Ok(Turn(Arc::clone(&self.held))),
            Err(held) => Err(Holder::from_number(held)),
        }
    }

    /// Waits for the right to compute on a GPU; none once the job was told to stop.
    pub(crate) fn wait_for_turn(&self, holder: Holder) -> Option<Turn> {
        loop {
            let turn = self.turn(holder).ok();
            if turn.is_some() || self.stopped() {
                return turn;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Places the dictionary `what`, which runs on so many rows a call, on the device for this job; only `decoding` takes the decoder there. None if it stays
    /// where it is: another job runs there for a moment, or this one was told to stop.
    pub(crate) fn place<'a>(
        &self,
        wanted: &Wanted,
        what: impl Into<Runs<'a>>,
        (rows, decoding): (usize, bool),
    ) -> Result<Option<Computing<'_>>> {
        let what = what.into();
        let job = Job {
            beside_another: self.is_beside_another(),
            ..what.job(rows, decoding)
        };
        let turn = loop {
            match self.turn(Holder::Short) {
                Ok(turn) => break Some(turn),
                Err(held) if held.and_then(Holder::reason).is_some() => break None,
                Err(_) if wanted.is_quiet || self.stopped() => return Ok(None),
                Err(_) => std::thread::sleep(LOOK),
            }
        };
        let wish = if turn.is_some() {
            wanted.wish
        } else {
            DeviceWish::Cpu
        };
        let mut placing = wanted.devices.place(wish, what, &job)?;
        let holder = Holder::from_number(self.held.load(Ordering::Acquire));
        if let (None, Some(reason)) = (&turn, holder.and_then(Holder::reason)) {
            placing.choice = Choice::cpu(reason);
        }
        self.given(&wanted.name, &placing.choice);
        let on_gpu = placing.choice.compute.gpu().is_some();
        Ok(Some(Computing {
            worker: self,
            placing,
            _turn: turn.filter(|_| on_gpu),
        }))
    }

    /// Chooses the device of a run that trains; waits while another job has the GPU. The right to compute there comes with it.
    pub(crate) fn choose(&self, wanted: &Wanted, job: Job) -> Result<(Choice, Option<Turn>)> {
        let Some(turn) = self.wait_for_turn(Holder::Training) else {
            return Ok((Choice::cpu("the run was stopped before it began"), None));
        };
        let job = Job {
            beside_another: self.is_beside_another(),
            ..job
        };
        let choice = wanted.devices.choose(wanted.wish, &job)?;
        self.given(&wanted.name, &choice);
        let on_gpu = choice.compute.gpu().is_some();
        Ok((choice, on_gpu.then_some(turn)))
    }

    /// Tells the window which device the job `name` was given.
    pub(crate) fn given(&self, name: &str, choice: &Choice) {
        let given = Given::new(self.id(), name, choice);
        self.send(Event::Devices(Computes::Given(given)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::jobs::Jobs;
    use crate::testing;

    /// Runs one dictionary in a job while another has the GPU; returns what the window is told.
    fn placed(holder: Holder, wanted: &Wanted) -> (bool, Vec<String>) {
        let mut jobs = Jobs::new(|| {});
        let (ready, begin) = sync_channel(4);
        let (end, over) = sync_channel::<()>(4);
        jobs.start("Hold", move |worker| {
            let turn = worker.turn(holder);
            ready.send(turn.is_ok()).unwrap();
            over.recv().ok();
            Ok(())
        });
        assert!(begin.recv().unwrap());
        let (answer, answered) = sync_channel(4);
        let wanted = wanted.clone();
        jobs.start("Run", move |worker| {
            let sae = testing::sae(8);
            let there = worker.place(&wanted, &sae, (4, true))?.is_some();
            answer.send(there).unwrap();
            Ok(())
        });
        let there = answered.recv().unwrap();
        end.send(()).unwrap();
        while jobs.is_busy() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let told = jobs.drain().into_iter().filter_map(|event| match event {
            Event::Devices(Computes::Given(given)) => Some(given.why),
            _ => None,
        });
        (there, told.collect())
    }

    #[test]
    fn while_a_run_trains_on_the_gpu_others_take_the_cpu() {
        let state = testing::empty();
        for wanted in [Wanted::new(&state, "Run"), Wanted::quiet(&state, "Run")] {
            let (there, told) = placed(Holder::Training, &wanted);
            assert_eq!(
                (there, told),
                (true, vec!["a training run uses the GPU".to_owned()])
            );
        }
    }

    #[test]
    fn what_follows_from_the_screen_does_not_wait_for_a_short_job() {
        let wanted = Wanted::quiet(&testing::empty(), "Run");
        assert_eq!(placed(Holder::Short, &wanted), (false, vec![]));
    }

    #[test]
    fn one_job_at_a_time_has_the_gpu() {
        let mut jobs = Jobs::new(|| {});
        let (tell, told) = sync_channel(4);
        for _ in 0..4 {
            let tell = tell.clone();
            jobs.start("Compute", move |worker| {
                let turn = worker.wait_for_turn(Holder::Short);
                tell.send(true).unwrap();
                std::thread::sleep(Duration::from_millis(5));
                tell.send(false).unwrap();
                drop(turn);
                Ok(())
            });
        }
        drop(tell);
        let order: Vec<bool> = told.iter().collect();
        assert_eq!(order, [true, false].repeat(4));
    }
}
