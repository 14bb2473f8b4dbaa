//! Operating-system processes that never outlive this one, killed with all they started.
//!
//! [`Nursery`] starts them and knows all that run; a [`Process`] is one of them, killed when dropped.
//!
//! Each is the leader of a process group of its own, and asks the kernel for `SIGKILL` when the thread that started it
//! ends. That thread lives as long as the nursery: also when this process is killed, nothing stays behind.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

/// Starts processes; see the module.
pub struct Nursery {
    orders: mpsc::Sender<Order>,
    roll: Arc<Mutex<Roll>>,
}

/// A running process and its output.
pub struct Process {
    running: Running,
    pub stdout: Option<tokio::process::ChildStdout>,
    pub stderr: Option<tokio::process::ChildStderr>,
}

#[derive(Clone)]
struct Running {
    exit: watch::Receiver<Option<ExitStatus>>,
    kill: Arc<Notify>,
}

/// All processes that run.
#[derive(Default)]
struct Roll {
    closed: bool,
    running: HashMap<u32, Running>,
}

struct Order {
    command: Command,
    /// Where the process is waited for.
    runtime: Handle,
    started: oneshot::Sender<std::io::Result<Process>>,
}

impl Nursery {
    pub fn new() -> Self {
        let (orders, received) = mpsc::channel::<Order>();
        let roll = Arc::new(Mutex::new(Roll::default()));
        let shared = Arc::clone(&roll);
        std::thread::Builder::new()
            .name("lambda-nursery".to_owned())
            .spawn(move || {
                for Order { command, runtime, started } in received {
                    // A caller that went away drops the process, which kills it.
                    let _ = started.send(start(command, &runtime, &shared));
                }
            })
            .expect("a thread can be started while the server starts");
        Self { orders, roll }
    }

    /// Starts `command` with its output piped.
    ///
    /// # Errors
    /// As the operating system says; `Interrupted` after [`Nursery::close`].
    pub async fn start(&self, command: Command) -> std::io::Result<Process> {
        let (started, answer) = oneshot::channel();
        let order = Order { command, runtime: Handle::current(), started };
        self.orders.send(order).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Starts nothing more, kills all and returns when they are gone.
    pub async fn close(&self) {
        let all: Vec<Running> = {
            let mut roll = lock(&self.roll);
            roll.closed = true;
            roll.running.values().cloned().collect()
        };
        for running in &all {
            running.kill.notify_one();
        }
        for mut running in all {
            running.exited().await;
        }
    }

    pub fn is_closed(&self) -> bool {
        lock(&self.roll).closed
    }
}

impl Process {
    /// Returns when the process is gone.
    pub async fn exited(&mut self) -> Option<ExitStatus> {
        self.running.exited().await
    }

    pub fn has_exited(&self) -> bool {
        self.running.exit.borrow().is_some()
    }

    /// Kills the process and all of its group.
    pub async fn kill(&mut self) {
        self.running.kill.notify_one();
        self.running.exited().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.kill.notify_one();
    }
}

impl Running {
    /// Nothing when it cannot be known any more: the runtime is going down.
    async fn exited(&mut self) -> Option<ExitStatus> {
        self.exit.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }
}

/// On the nursery's own thread, holding the roll: after it is closed nothing more is started.
fn start(mut command: Command, runtime: &Handle, shared: &Arc<Mutex<Roll>>) -> std::io::Result<Process> {
    let _inside = runtime.enter();
    let mut roll = lock(shared);
    if roll.closed {
        return Err(closed());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    die_with_this_thread(&mut command);
    let mut child = command.spawn()?;
    let id = child.id().expect("a process that was not waited for has an id");
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());

    let (exit_sender, exit) = watch::channel(None);
    let running = Running { exit, kill: Arc::new(Notify::new()) };
    roll.running.insert(id, running.clone());
    drop(roll);
    runtime.spawn(watch_over(child, id, Arc::clone(&running.kill), exit_sender, Arc::clone(shared)));
    Ok(Process { running, stdout, stderr })
}

/// Waits for the end of a process, kills it when told to, and takes it off the roll.
async fn watch_over(mut child: Child, id: u32, kill: Arc<Notify>, exit: watch::Sender<Option<ExitStatus>>, roll: Arc<Mutex<Roll>>) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.notified() => {
            // INVARIANT: not waited for yet, so the id is still this process's.
            kill_group(id);
            child.wait().await
        }
    };
    // What it started and left behind.
    kill_group(id);
    // A process that cannot be waited for is not ours any more; `default` reads as exit status 0.
    let status = status.unwrap_or_default();
    lock(&roll).running.remove(&id);
    exit.send_replace(Some(status));
}

fn lock(roll: &Mutex<Roll>) -> MutexGuard<'_, Roll> {
    roll.lock().expect("nothing panics while it holds the roll")
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Interrupted, "going down")
}

/// Makes the kernel kill the process when the calling thread ends.
#[cfg(target_os = "linux")]
fn die_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    let before_exec = move || {
        // SAFETY: `prctl` with `PR_SET_PDEATHSIG` and `getppid` read and write no memory of ours, and both may be called
        // between fork and exec.
        #[allow(unsafe_code)]
        let (armed, parent_now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        if armed != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // The parent may have died before the signal was armed.
        if u32::try_from(parent_now) != Ok(parent) {
            return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock, as code between fork and exec must not.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// Elsewhere the kernel has no such request: processes end when this one ends in order.
#[cfg(not(target_os = "linux"))]
fn die_with_this_thread(_command: &mut Command) {}

/// Kills a process group. That it is gone already is no error.
fn kill_group(id: u32) {
    if let Ok(id) = libc::pid_t::try_from(id) {
        // SAFETY: a system call on numbers.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(-id, libc::SIGKILL);
        }
    }
}
