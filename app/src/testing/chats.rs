//! A model with a chat template: the demo's with a small one of ours.

use std::path::Path;
use std::sync::Arc;

use umbra_core::text::chat::Message;

use crate::state::catalogue::LoadedModel;
use crate::state::{AppState, Event, Load, catalogue};

/// Template that writes `[role] content` a line.
const TEMPLATE: &str = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";

/// Gives the demo's model of `state` a chat template.
pub(crate) fn with_template(mut state: AppState) -> AppState {
    let loaded = state.model().unwrap();
    let codec = loaded.model.codec().clone();
    let codec = codec.with_chat_template(TEMPLATE, Path::new("chat_template.jinja"));
    let model = (*loaded.model).clone().with_codec(codec);
    let loaded = LoadedModel {
        model: Arc::new(model),
        notes: loaded.notes.clone(),
        size_bytes: 0,
    };
    let path = state.catalogue.model_path.clone().unwrap();
    let ready = Box::new(Load::Ready(loaded));
    state.apply(Event::Catalogue(catalogue::Event::Model(path, ready)));
    state
}

/// A question of the user.
pub(crate) fn question() -> Vec<Message> {
    vec![Message::new("user", "Who are you?")]
}
