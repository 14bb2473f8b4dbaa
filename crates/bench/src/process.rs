//! What the kernel says of processes and of the machine.

use std::time::Duration;

use anyhow::Context;

pub const MIB: f64 = 1024.0 * 1024.0;

/// User and system time. SOURCE: proc_pid_stat(5), fields 14 and 15; the name in field 2 may hold blanks.
pub fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let stat = read(id, "stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    let mut ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let (user, system) = (ticks.next().context("no user time")??, ticks.next().context("no system time")??);
    Ok(of_ticks(user + system))
}

/// The time that all processes together have used, and virtual machines beside this one have taken from it.
/// SOURCE: proc_stat(5), the first line.
pub fn machine_busy() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let times = line.split_ascii_whitespace().skip(1).take(8).map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
    let [user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen] = times[..] else {
        anyhow::bail!("/proc/stat: {line}");
    };
    Ok(of_ticks(user + nice + system + interrupts + soft_interrupts + stolen))
}

/// Bytes that the process has written to files, pipes and, gathered from several buffers, to sockets.
/// SOURCE: proc_pid_io(5), `wchar`. Not `write_bytes`: since ext4 has large folios, it counts the whole folio, up to a
/// mebibyte, for each byte that is changed in it.
pub fn written_bytes(id: u32) -> anyhow::Result<u64> {
    field(&read(id, "io")?, "wchar:")
}

/// Resident memory. SOURCE: proc_pid_status(5), `VmRSS`.
pub fn resident_bytes(id: u32) -> anyhow::Result<u64> {
    Ok(field(&read(id, "status")?, "VmRSS:")? * 1024)
}

/// The most that was resident since [`forget_peak`]. SOURCE: proc_pid_status(5), `VmHWM`.
pub fn peak_bytes(id: u32) -> anyhow::Result<u64> {
    Ok(field(&read(id, "status")?, "VmHWM:")? * 1024)
}

/// SOURCE: proc_pid_clear_refs(5), value 5.
pub fn forget_peak(id: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{id}/clear_refs");
    std::fs::write(&path, "5").context(path)
}

/// Raises the soft limit on open files to the hard one; a connection is a file.
///
/// # Errors
/// Where even the hard one is below `wanted`.
pub fn allow_open_files(wanted: u64) -> anyhow::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to an initialised structure that outlives them.
    #[allow(unsafe_code)]
    let outcome = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    anyhow::ensure!(outcome == 0 && limit.rlim_cur >= wanted, "{wanted} open files are needed, {} are allowed", limit.rlim_max);
    Ok(())
}

fn read(id: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{id}/{name}");
    std::fs::read_to_string(&path).context(path)
}

fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(value.split_ascii_whitespace().next().with_context(|| format!("{name} is empty"))?.parse()?)
}

fn of_ticks(ticks: u64) -> Duration {
    // SAFETY: reads a constant of the system.
    #[allow(unsafe_code)]
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64)
}

/// Sends a signal to a process that was started here and not waited for, so that the id is still its own.
pub fn signal(id: u32, signal: libc::c_int) -> anyhow::Result<()> {
    kill(libc::pid_t::try_from(id)?, signal)
}

/// As [`signal`], to all processes of the group that it leads.
pub fn signal_group(id: u32, signal: libc::c_int) -> anyhow::Result<()> {
    kill(-libc::pid_t::try_from(id)?, signal)
}

fn kill(target: libc::pid_t, signal: libc::c_int) -> anyhow::Result<()> {
    // SAFETY: a system call on numbers.
    #[allow(unsafe_code)]
    let outcome = unsafe { libc::kill(target, signal) };
    anyhow::ensure!(outcome == 0, "no signal reaches {target}: {}", std::io::Error::last_os_error());
    Ok(())
}
