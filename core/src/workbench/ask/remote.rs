//! Sends a chat to an endpoint and reads the answer.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::http::StatusCode;

use super::{Endpoint, Message};
use crate::error::{Error, Result};

/// Most bytes of an answer.
const LONGEST: u64 = 4 << 20;
/// Attempts where the endpoint is busy.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_secs(2);
/// Characters of a refusal that an error quotes.
const QUOTED: usize = 160;

/// Sends `messages` and returns the text of the answer. A busy endpoint is asked again twice.
pub(super) fn chat(endpoint: &Endpoint, messages: &[Message]) -> Result<String> {
    endpoint.check()?;
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_mins(3)))
        .timeout_recv_body(Some(Duration::from_mins(3)))
        .user_agent(format!("umbra/{}", crate::VERSION))
        .build()
        .new_agent();
    let mut body = json!({"model": endpoint.model, "messages": messages, "temperature": 0});
    let mut attempt = 1;
    loop {
        let (status, text) = send(&agent, endpoint, &body)?;
        if status.is_success() {
            return content(endpoint, &text);
        }
        if status == StatusCode::BAD_REQUEST
            && text.contains("temperature")
            && body
                .as_object_mut()
                .is_some_and(|body| body.remove("temperature").is_some())
        {
            // Some models take their own temperature alone.
            continue;
        }
        let is_busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        if is_busy && attempt < ATTEMPTS {
            std::thread::sleep(PAUSE * (1 << (attempt - 1)));
            attempt += 1;
            continue;
        }
        return Err(refused(endpoint, status, &text));
    }
}

fn send(agent: &Agent, endpoint: &Endpoint, body: &Value) -> Result<(StatusCode, String)> {
    let failed = |why: &ureq::Error| {
        let why = match why {
            ureq::Error::HostNotFound => "its address cannot be resolved".to_owned(),
            ureq::Error::Io(io) => io.to_string(),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            other => other.to_string(),
        };
        let what = format!("the endpoint cannot be reached ({why}): check its address");
        Error::input(what, &endpoint.url)
    };
    let mut request = agent
        .post(endpoint.service())
        .header("Content-Type", "application/json");
    if let Some(key) = &endpoint.key {
        request = request.header("Authorization", format!("Bearer {key}"));
    }
    let mut response = request
        .send(body.to_string().as_bytes())
        .map_err(|why| failed(&why))?;
    let status = response.status();
    let read = response
        .body_mut()
        .with_config()
        .limit(LONGEST)
        .read_to_vec();
    let bytes = read.map_err(|why| failed(&why))?;
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the text of the first choice.
fn content(endpoint: &Endpoint, text: &str) -> Result<String> {
    let answer: Option<Value> = serde_json::from_str(text).ok();
    let content = answer
        .as_ref()
        .and_then(|answer| answer["choices"][0]["message"]["content"].as_str());
    content.map(str::to_owned).ok_or_else(|| {
        let what = "the answer is not one of chat completions: give the address of an OpenAI-compatible endpoint, up to its version";
        Error::input(what, &endpoint.url)
    })
}

fn refused(endpoint: &Endpoint, status: StatusCode, text: &str) -> Error {
    let remedy = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "check the key",
        StatusCode::NOT_FOUND => {
            "check the address, which ends in the version, and the name of the model"
        }
        StatusCode::TOO_MANY_REQUESTS => "wait, or ask about fewer features",
        other if other.is_redirection() => "give the address that it points to",
        other if other.is_server_error() => "try later",
        _ => "check the name of the model",
    };
    let said: Option<Value> = serde_json::from_str(text).ok();
    let said = said.as_ref().and_then(|said| {
        let said = &said["error"];
        said["message"].as_str().or(said.as_str())
    });
    let said: String = said.unwrap_or_default().chars().take(QUOTED).collect();
    let said = if said.is_empty() {
        said
    } else {
        format!(" (“{}”)", said.replace('\n', " "))
    };
    let what = format!("the endpoint answered {}{said}: {remedy}", status.as_u16());
    Error::input(what, &endpoint.url)
}
