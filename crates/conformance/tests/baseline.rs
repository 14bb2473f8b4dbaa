//! The counts of the committed sets only rise.

use conformance::baseline;

#[test]
fn counts_do_not_fall() {
    let text = std::fs::read_to_string(baseline::file()).expect("the committed counts");
    let committed = baseline::parse(&text).expect("rows");
    let changes = baseline::compare(&committed, &baseline::run(None).expect("the sets can be read"));
    for line in &changes.rose {
        println!("rose: {line}");
    }
    assert!(changes.fell.is_empty(), "fell:\n{}", changes.fell.join("\n"));
}
