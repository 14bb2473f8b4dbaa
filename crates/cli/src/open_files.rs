//! The limit on open files: every connection and every function process takes some.

/// Raises the soft limit to the hard one. Where that fails, the limit stays as it was.
#[allow(unsafe_code)]
pub(crate) fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to an initialised structure that outlives them.
    let raised = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return;
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    if raised != 0 {
        tracing::warn!(hard_limit = limit.rlim_max, "the limit on open files could not be raised");
    }
}
