//! W2, an order saga on its good path: four Tasks, one after the other.

use std::path::Path;

use serde_json::{Value, json};

use super::{Ground, ORDER, compare_with_ceiling, meter, run_workflows};
use crate::bar::SAGA_ENDPOINT;
use crate::client::text_of;
use crate::lane::{Shown, Started, Worker};
use crate::load::{Lane, Lanes};
use crate::meter::{Meter, Tells};
use crate::report::{Report, Row};
use crate::server::{Server, Setup};

/// A server that calls the functions, answers, and keeps nothing: the ceiling of any engine's saga by this endpoint.
pub const RELAY: &str = "relay: the saga's calls, nothing kept";

pub const STEPS: [&str; 4] = ["createOrder", "processPayment", "reserveInventory", "startDelivery"];

/// Polls that wait for each activity.
const WORKERS_A_STEP: usize = 8;

/// Python processes for each function, on two cores.
const PROCESSES_A_STEP: usize = 2;

/// Who performs the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An HTTP server that speaks Lambda's Invoke API.
    Endpoint,
    /// Polls of activities, in the load generator.
    Activity,
    /// Python functions, run by the server.
    Python,
}

pub fn measure(report: &mut Report, ground: &Ground, by: By, in_flights: &[usize]) -> anyhow::Result<()> {
    let name = match by {
        By::Endpoint => SAGA_ENDPOINT,
        By::Activity => "W2 saga, activity workers",
        By::Python => "W2 saga, local Python Lambdas",
    };
    let folder = ground.folder()?;
    let endpoint = match by {
        By::Endpoint => Some(Server::start_own("endpoint")?),
        By::Activity | By::Python => None,
    };
    let config = match by {
        By::Python => Some(write_functions(folder.path())?),
        By::Endpoint | By::Activity => None,
    };
    let lambda_endpoint = endpoint.as_ref().map(|endpoint| endpoint.address.clone());
    let server = Server::start(&Setup { config, lambda_endpoint, ..ground.setup(&folder) })?;
    server.settle()?;

    let mut client = server.client()?;
    let mut resources = Vec::new();
    for step in STEPS {
        resources.push(match by {
            By::Endpoint | By::Python => format!("arn:aws:lambda:us-east-1:123456789012:function:{step}"),
            By::Activity => text_of(&client.call("CreateActivity", &json!({ "name": step }))?, "activityArn")?,
        });
    }
    let machine = client.create_machine("Saga", &definition(&resources), "STANDARD")?;
    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let workers = || match by {
        By::Activity => workers(&server.address, &resources),
        By::Endpoint | By::Python => Lanes::new(),
    };
    let tells = match (by, &endpoint) {
        (By::Endpoint, Some(endpoint)) => Tells::Endpoint(endpoint.address.clone()),
        (By::Endpoint, None) | (By::Activity, _) => Tells::TheClient,
        (By::Python, _) => Tells::Many,
    };
    let meter = Meter { beside: endpoint.iter().map(Server::id).collect(), tells, ..meter(&server) };
    for in_flight in in_flights {
        let mut row = Row::new(name, *in_flight);
        run_workflows(&mut row, &meter, &started, ground.duration, workers)?;
        if by == By::Endpoint {
            compare_with_ceiling(report, &mut row, RELAY);
        }
        report.add(row);
    }
    server.stop()
}

pub fn measure_relay(report: &mut Report, ground: &Ground, in_flights: &[usize]) -> anyhow::Result<()> {
    let endpoint = Server::start_own("endpoint")?;
    let server = Server::start_relay(&endpoint)?;
    let started = Started {
        host: server.address.clone(),
        machine: "arn:aws:states:us-east-1:123456789012:stateMachine:Saga".to_owned(),
        input: ORDER.to_owned(),
        shown: Shown::Everything,
    };
    let meter = Meter { metrics: None, beside: vec![endpoint.id()], ..meter(&server) };
    for in_flight in in_flights {
        let mut row = Row::new(RELAY, *in_flight);
        run_workflows(&mut row, &meter, &started, ground.duration, Vec::new)?;
        report.add(row);
    }
    Ok(())
}

fn definition(resources: &[String]) -> Value {
    let mut states = serde_json::Map::new();
    for (index, resource) in resources.iter().enumerate() {
        let mut state = json!({ "Type": "Task", "Resource": resource });
        match STEPS.get(index + 1) {
            Some(next) => state["Next"] = json!(next),
            None => state["End"] = json!(true),
        }
        states.insert(STEPS[index].to_owned(), state);
    }
    json!({ "StartAt": STEPS[0], "States": states })
}

fn workers(host: &str, activities: &[String]) -> Lanes {
    let all = activities.iter().flat_map(|activity| std::iter::repeat_n(activity, WORKERS_A_STEP));
    all.map(|activity| Box::new(Worker::new(host, activity)) as Box<dyn Lane>).collect()
}

/// A handler, and the configuration that declares it four times.
fn write_functions(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let code = folder.join("functions");
    std::fs::create_dir(&code)?;
    std::fs::write(code.join("steps.py"), "def handle(event, context):\n    return {\"orderId\": \"o-1\", \"state\": \"done\"}\n")?;
    let table = |step: &str| {
        format!(
            "[lambda.{step}]\nruntime = \"python3\"\nhandler = \"steps.handle\"\ncode = \"functions\"\nconcurrency = {PROCESSES_A_STEP}\n\n"
        )
    };
    let config = folder.join("skald.toml");
    std::fs::write(&config, STEPS.map(table).concat())?;
    Ok(config)
}
