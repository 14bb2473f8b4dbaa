//! What one input may use: CPU time of its thread, and bytes of the heap at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Wall time says nothing on a busy machine. Instrumented code is some ten times slower than released code, for which the
/// bound is 2 s; targets give a fraction of the real budgets to make up for it.
const CPU_MAX: Duration = Duration::from_secs(6);
/// More than one slice, which may build [`skald_query::jsonata::limits::BUILT_BYTES_MAX`].
const HEAP_BYTES_MAX: usize = 256 << 20;

#[global_allocator]
static COUNTED: Counted = Counted;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Does `work`.
///
/// # Panics
/// When it took more than an input may.
pub fn hold(work: impl FnOnce()) {
    let live_before = LIVE_BYTES.load(Ordering::Relaxed);
    PEAK_BYTES.store(live_before, Ordering::Relaxed);
    let cpu_before = cpu_time();
    work();
    let cpu = cpu_time() - cpu_before;
    let heap_bytes = PEAK_BYTES.load(Ordering::Relaxed) - live_before;
    assert!(cpu <= CPU_MAX, "slow: {cpu:?} of CPU time");
    assert!(heap_bytes <= HEAP_BYTES_MAX, "hungry: {heap_bytes} bytes");
    if std::env::var_os("SKALD_FUZZ_SHOW").is_some() {
        eprintln!("cpu {} ms, heap {} KiB", cpu.as_millis(), heap_bytes >> 10);
    }
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is one valid `timespec`, and the clock exists on Linux and macOS.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "the thread has a CPU clock");
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("below a billion"))
}

/// The system's allocator, which the sanitizer watches, and a count.
struct Counted;

fn grown(bytes: usize) {
    let live = LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call is handed on as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}
