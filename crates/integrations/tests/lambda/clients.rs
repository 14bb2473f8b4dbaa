//! The official runtime client and ours serve the same handlers alike.
//!
//! `SKALD_TEST_PYTHON` names an interpreter with `awslambdaric`; without it only our client is run, and what it answers is
//! checked in [`local`](crate::local).

use std::path::PathBuf;

use skald_integrations::{FunctionConfig, Outcome, Perform};
use skald_query::Value;

use crate::rig::{call, call_invoke, function, integrations, output};

/// Handler and event.
const TABLE: &[(&str, &str)] = &[
    ("table.echo", r#"{"a":[1,2.50,1e400,"größe"],"b":null}"#),
    ("table.echo", "12345678901234567890.12345678901234567890"),
    ("table.echo", r#""text""#),
    ("table.nothing", "{}"),
    ("table.results", "{}"),
    ("table.infinities", "{}"),
    ("table.raw", "{}"),
    ("table.date", "{}"),
    ("table.a_set", "{}"),
    ("table.tuple_key", "{}"),
    ("table.circular", "{}"),
    ("table.raises", "{}"),
    ("table.raises_nothing", "{}"),
    ("table.raises_deep", "{}"),
    ("table.raises_from", "{}"),
    ("table.assertion", "2"),
    ("table.wrong_arguments", "{}"),
    ("table.context_fields", "{}"),
    ("table.surroundings", "{}"),
    ("table.exits", "{}"),
    ("table.not_callable", "{}"),
    ("table.missing", "{}"),
    ("absent.handler", "{}"),
    ("broken.handler", "{}"),
    ("raises.handler", "{}"),
    ("leaves.handler", "{}"),
    ("sys.exit", "{}"),
    ("nested/deep.handler", "{}"),
    ("nested.deep.handler", "{}"),
];

fn official() -> Option<PathBuf> {
    let python = std::env::var_os("SKALD_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("SKALD_TEST_PYTHON is not set: only Skald's own runtime client is tested");
    }
    python
}

async fn outcomes(handler: &str, event: &str, interpreter: Option<PathBuf>) -> (Outcome, Outcome) {
    let settings = FunctionConfig { interpreter, ..function(handler) };
    let integrations = integrations(vec![("f", settings)]);
    let cold = integrations.perform(call("f", event)).await;
    let warm = integrations.perform(call("f", event)).await;
    integrations.shut_down().await;
    (cold, warm)
}

/// Without the frames of the client itself, which show only when a handler cannot even be called.
fn of_the_function((cold, warm): (Outcome, Outcome)) -> [Outcome; 2] {
    let of_client = |text: &str| text.contains("<string>") || text.contains("awslambdaric/bootstrap.py");
    [cold, warm].map(|outcome| match outcome {
        Outcome::Failed { error, cause } if of_client(&cause) => {
            let mut payload: Value = serde_json::from_str(&cause).expect("the clients post JSON");
            let frames = payload["stackTrace"].as_array_mut().expect("a list");
            frames.retain(|frame| !frame.as_str().is_some_and(of_client));
            Outcome::Failed { error, cause: payload.to_string() }
        }
        Outcome::Failed { .. } | Outcome::Succeeded { .. } | Outcome::GaveUp => outcome,
    })
}

#[tokio::test]
async fn both_clients_answer_alike() {
    let official = official();
    for (handler, event) in TABLE {
        let ours = outcomes(handler, event, None).await;
        assert_eq!(ours.0, ours.1, "{handler} {event}: the warm answer is the cold one again");
        assert_ne!(ours.0, Outcome::GaveUp, "{handler} {event}");
        if let Some(official) = &official {
            let theirs = outcomes(handler, event, Some(official.clone())).await;
            assert_eq!(of_the_function(ours), of_the_function(theirs), "{handler} {event}");
        }
    }
}

#[tokio::test]
async fn both_clients_read_the_client_context() {
    // {"custom":{"k":"v"},"env":{"locale":"de"},"client":{"app_title":"shop"}}
    let context = "eyJjdXN0b20iOnsiayI6InYifSwiZW52Ijp7ImxvY2FsZSI6ImRlIn0sImNsaWVudCI6eyJhcHBfdGl0bGUiOiJzaG9wIn19";
    let parameters = format!(r#"{{"FunctionName":"f","ClientContext":"{context}"}}"#);
    for interpreter in [Some(None), official().map(Some)].into_iter().flatten() {
        let settings = FunctionConfig { interpreter, ..function("table.client_context") };
        let integrations = integrations(vec![("f", settings)]);
        let seen = output(integrations.perform(call_invoke(&parameters)).await);
        assert_eq!(seen["Payload"].to_string(), r#"[{"k":"v"},{"locale":"de"},"shop"]"#);
        integrations.shut_down().await;
    }
}
