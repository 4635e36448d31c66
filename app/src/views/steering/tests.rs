//! Run asks for what was chosen, both texts stream and stop, and strength zero says so.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::steer::{Change, Stream};

use crate::commands::{Command, steering};
use crate::state::catalogue::DictionaryId;
use crate::state::jobs::JobId;
use crate::state::steering::{Ended, Event as Lab, Request};
use crate::state::{AppState, Event};
use crate::testing;
use crate::views::ViewId;

fn ready() -> AppState {
    let mut state = testing::with_model();
    state.prompt.text = "Once upon".to_owned();
    state
}

fn request(strength: f32) -> Request {
    Request {
        dictionary: DictionaryId(0),
        feature: FeatureId(0),
        strength,
        prompt: "Once upon".to_owned(),
        temperature: 0.8,
        seed: 0,
        tokens: 60,
    }
}

fn running(strength: f32) -> AppState {
    let mut state = ready();
    let job = JobId(3);
    let token = |stream, text: &str| Lab::Token(job, stream, text.to_owned());
    for event in [
        Lab::Started(job, request(strength)),
        Lab::Shift(
            job,
            vec![Change {
                id: TokenId(5),
                text: " a".to_owned(),
                before: 0.25,
                after: 0.5,
            }],
        ),
        token(Stream::Baseline, " a time"),
        token(Stream::Steered, " a king"),
        Lab::Token(JobId(2), Stream::Steered, " of an earlier run".to_owned()),
    ] {
        state.apply(Event::Steering(event));
    }
    state
}

#[test]
fn run_asks_for_the_chosen_feature_and_the_sentence() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let want: Command = steering::Command::Run(request(8.0)).into();
    assert_eq!(sent, [want]);
}

#[test]
fn without_a_sentence_run_is_off_and_says_why() {
    let harness = testing::harness(ViewId::Steering, testing::with_model());
    assert!(harness.get_by_label("Run").accesskit_node().is_disabled());
    harness.get_by_label("Type the text that is to be continued");
}

#[test]
fn both_texts_stream_and_the_run_is_stopped() {
    let mut harness = testing::harness(ViewId::Steering, running(8.0));
    harness.get_by_label("Once upon a time");
    harness.get_by_label("Once upon a king");
    harness.get_by_label("a, 25.0\u{202F}% → 50.0\u{202F}%");
    harness.get_by_label("Stop").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(sent, [steering::Command::Stop.into()]);
    let ended = Ended::Done {
        kl: 0.125,
        stopped: true,
    };
    let stage = harness.state_mut();
    stage
        .state
        .apply(Event::Steering(Lab::Ended(JobId(3), ended)));
    harness.run();
    harness.get_by_label("0.125 nats");
    assert!(harness.query_by_label("Stop").is_none());
}

#[test]
fn strength_zero_says_identical() {
    let harness = testing::harness(ViewId::Steering, running(0.0));
    harness.get_by_label_contains("both texts are identical");
}
