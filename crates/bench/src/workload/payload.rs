//! The chain with more to carry: documents of 1 KB and of 200 KB that pass through ten states.

use serde_json::json;

use super::{Ground, chain_definition, meter, run_workflows};
use crate::lane::{Shown, Started};
use crate::report::{Report, Row};

/// (name, bytes of the document, in flight)
const SIZES: [(&str, usize, usize); 2] = [("chain, payload of 1 KB", 1_000, 64), ("chain, payload of 200 KB", 200_000, 16)];

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    for (name, bytes, in_flight) in SIZES {
        let subject = ground.start()?;
        let server = &subject.server;
        let machine = server.client()?.create_machine("Chain", &chain_definition(), "STANDARD")?;
        // The document goes in; that it comes out whole is for tests, not for the load generator to read.
        let started = Started { host: server.address.clone(), machine, input: document(bytes), shown: Shown::MetadataOnly };
        let mut row = Row::new(name, in_flight);
        run_workflows(&mut row, &meter(server), &started, ground.duration, Vec::new)?;
        report.add(row);
        subject.server.stop()?;
    }
    Ok(())
}

/// An order with as many items as it takes.
fn document(bytes: usize) -> String {
    let item = |number: usize| json!({ "product": format!("p-{number}"), "quantity": number % 7 + 1, "price": 6.5, "gift": number.is_multiple_of(2) });
    let item_bytes = item(1000).to_string().len() + 1;
    let items: Vec<_> = (0..bytes / item_bytes).map(item).collect();
    json!({ "orderId": "o-1", "customer": "c-42", "items": items }).to_string()
}
