//! The devices that compute: the list, the choice, the measurement.

use std::sync::Arc;

use umbra_core::workbench::devices::{List, Measuring};

use super::context::Context;
use crate::jobs::Holder;
use crate::state::devices::{DevicesState, Event as Devices};
use crate::state::requests::devices::Command;
use crate::state::{Event, Load, settings};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::List => list(context),
            Self::Choose(wish) => context.apply(Event::Settings(settings::Event::Device(wish))),
            Self::Measure => measure(context),
        }
    }
}

fn listed(load: Load<Arc<List>>) -> Event {
    Event::Devices(Devices::List(load))
}

fn list(context: &mut Context<'_>) {
    if context.state.devices.list.is_loading() {
        return;
    }
    let devices = context.state.devices.devices.clone();
    context.apply(listed(Load::Loading));
    context.jobs.start_quiet(
        |why| listed(Load::Failed(why)),
        move |worker| {
            let list = devices.list(&DevicesState::typical_job(), Measuring::Never)?;
            worker.send(listed(Load::Ready(Arc::new(list))));
            Ok(())
        },
    );
}

/// Other work would disturb the figures, so none may run.
fn measure(context: &mut Context<'_>) {
    if context.state.jobs.running().next().is_some() {
        return context.fail("Devices are measured while nothing else runs: wait for the jobs in the strip, or stop them");
    }
    let devices = context.state.devices.devices.clone();
    let job = context.jobs.start_or(
        "Measure the devices",
        |why| listed(Load::Failed(why)),
        move |worker| {
            let turn = worker.wait_for_turn(Holder::Measuring);
            let list = devices.list(&DevicesState::typical_job(), Measuring::Again);
            drop(turn);
            worker.send(Event::Devices(Devices::Measured));
            worker.send(listed(Load::Ready(Arc::new(list?))));
            Ok(())
        },
    );
    context.apply(Event::Devices(Devices::Measuring(job)));
}
