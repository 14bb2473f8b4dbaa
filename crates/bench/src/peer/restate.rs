//! Restate (npm `@restatedev/restate-server` and `@restatedev/restate-sdk`), on the saga: four durable steps in a Node
//! worker, each a POST to the endpoint that the product's saga calls. Two partitions, its faster setting on two cores.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{free_port, until_ready};
use crate::client::Client;
use crate::http;
use crate::meter::Meter;
use crate::report::{Report, Row};
use crate::server::{Peer, Server};
use crate::workload::saga::RELAY;
use crate::workload::{Ground, ORDER, compare_with_ceiling, repeat_requests};

const WORKER: &str = include_str!("restate_worker.mjs");

const PARTITIONS: &str = "2";

pub fn measure(report: &mut Report, ground: &Ground, peers: &Path, in_flights: &[usize]) -> anyhow::Result<()> {
    let (program, sdk) = (peers.join("node_modules/.bin/restate-server"), peers.join("node_modules/@restatedev/restate-sdk"));
    if !program.exists() || !sdk.exists() {
        let folder = peers.display();
        report.remark(format!(
            "Restate: absent; `npm install --prefix {folder} @restatedev/restate-server @restatedev/restate-sdk` brings it"
        ));
        return Ok(());
    }
    let peers = peers.canonicalize()?;
    let folder = ground.folder()?;
    let endpoint = Server::start_own("endpoint")?;
    // The worker finds its SDK where it lies.
    let script = peers.join("skald-bench-worker.mjs");
    std::fs::write(&script, WORKER)?;
    let (worker_port, ingress, admin, fabric) = (free_port()?, free_port()?, free_port()?, free_port()?);
    let mut command = Command::new("node");
    command.arg(&script).env("PORT", worker_port.to_string()).env("ENDPOINT", format!("http://{}", endpoint.address));
    let worker = Peer::start(command, &folder.path().join("worker.log"))?;

    let mut command = Command::new(peers.join("node_modules/.bin/restate-server"));
    command
        .args(["--bind-ip", "127.0.0.1", "--bind-port", &fabric.to_string(), "--listen-mode", "tcp", "--no-logo"])
        .arg("--base-dir")
        .arg(folder.path().join("data"))
        .env("RESTATE_INGRESS__BIND_PORT", ingress.to_string())
        .env("RESTATE_ADMIN__BIND_PORT", admin.to_string())
        .env("RESTATE_DEFAULT_NUM_PARTITIONS", PARTITIONS)
        .env("RUST_LOG", "warn")
        .env("DO_NOT_TRACK", "1")
        .current_dir(folder.path());
    let server = Peer::start(command, &folder.path().join("server.log"))?;
    let (ingress, admin) = (format!("127.0.0.1:{ingress}"), format!("127.0.0.1:{admin}"));
    until_ready(|| {
        let registration = json!({ "uri": format!("http://127.0.0.1:{worker_port}"), "use_http_11": false });
        let (status, body) = Client::connect(&admin)?.post("/deployments", &registration)?;
        anyhow::ensure!((200..300).contains(&status), "{status} {}", String::from_utf8_lossy(&body));
        Ok(())
    })?;
    until_ready(|| {
        let (status, body) = Client::connect(&ingress)?.post("/saga/run", &json!({ "orderId": "o-1" }))?;
        anyhow::ensure!(status == 200, "{status} {}", String::from_utf8_lossy(&body));
        Ok(())
    })?;

    let mut request = Vec::new();
    http::write_post(&mut request, &ingress, "/saga/run", "Content-Type: application/json\r\n", ORDER);
    // What a process of the npm package starts is the server; the package's own process only waits.
    let meter = Meter { server: with_children(server.id())?, beside: vec![worker.id(), endpoint.id()], ..Meter::default() };
    for in_flight in in_flights {
        let mut row = Row::new("W2 saga, Restate, 2 partitions", *in_flight);
        repeat_requests(&mut row, &meter, &ingress, std::slice::from_ref(&request), "done", ground.duration)?;
        compare_with_ceiling(report, &mut row, RELAY);
        report.add(row);
    }
    Ok(())
}

/// A process and those it started. SOURCE: proc_pid_task_children(5).
fn with_children(id: u32) -> anyhow::Result<Vec<u32>> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let children = children.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    Ok([id].into_iter().chain(children).collect())
}
