//! What this process has used so far.

use std::path::Path;
use std::time::Duration;

/// Time on the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    user: Duration,
    system: Duration,
}

impl Usage {
    pub(crate) fn now() -> Self {
        // SOURCE: proc_pid_stat(5), fields 14 and 15: getrusage's times in ticks of 10 ms, on every Linux of today.
        let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is there");
        let behind_name = stat.rsplit(") ").next().expect("a name in brackets");
        let mut fields = behind_name.split(' ').skip(11).map(|field| field.parse::<u64>().expect("a number"));
        let mut time = || Duration::from_millis(10 * fields.next().expect("a field"));
        Self { user: time(), system: time() }
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }

    pub(crate) fn micros_each(&self, count: u64) -> f64 {
        (self.user + self.system).as_secs_f64() * 1e6 / count as f64
    }

    pub(crate) fn system_micros_each(&self, count: u64) -> f64 {
        self.system.as_secs_f64() * 1e6 / count as f64
    }
}

/// What the files of a folder take on disk.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
