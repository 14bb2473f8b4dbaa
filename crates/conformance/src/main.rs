//! `conformance recorded FOLDER`: replays recordings of AWS, a line for each that differs and a table.

use std::collections::BTreeMap;
use std::path::Path;

use conformance::recorded::{self, Verdict};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, wanted) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["recorded", folder] => (folder, None),
        ["recorded", folder, wanted] => (folder, Some(wanted)),
        _ => anyhow::bail!("usage: conformance recorded FOLDER [PART OF AN ID]"),
    };
    let mut table: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (area, id, verdict) in recorded::replay_all(Path::new(folder))? {
        let row = table.entry(area).or_default();
        match verdict {
            Verdict::Right => row[0] += 1,
            Verdict::Wrong(difference) => {
                row[1] += 1;
                if wanted.is_none_or(|wanted| id.contains(wanted)) {
                    println!("{id}: {difference}");
                }
            }
            Verdict::NotRun(reason) => {
                row[2] += 1;
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    println!("\n{:30} {:>6} {:>6} {:>8}", "area", "right", "wrong", "not run");
    let mut all = [0; 3];
    for (area, row) in &table {
        println!("{area:30} {:>6} {:>6} {:>8}", row[0], row[1], row[2]);
        (0..3).for_each(|column| all[column] += row[column]);
    }
    println!("{:30} {:>6} {:>6} {:>8}", "all", all[0], all[1], all[2]);
    for (reason, count) in reasons {
        println!("not run: {count:>4} {reason}");
    }
    Ok(())
}
