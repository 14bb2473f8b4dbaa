//! The few things the log asks of a file system, so that tests can put one under it that crashes at any of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A folder of files.
pub(super) trait Files: Send + Sync + 'static {
    fn list(&self) -> io::Result<Vec<String>>;

    fn size(&self, name: &str) -> io::Result<u64>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Makes a file of `size` bytes. When this answers, all of it is allocated and durable, its name too; when it fails,
    /// there is no such file.
    fn create(&self, name: &str, size: u64, fill: Fill) -> io::Result<()>;

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>>;

    /// Renames a file, durably. Of the two names there is always one. After the error that there is no room it is the old one.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, durably.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The cold tree's files are written next, by the library, past this trait.
    ///
    /// # Errors
    /// They are not to be.
    fn begin_tree_write(&self) -> io::Result<()> {
        Ok(())
    }

    /// Blocks until `worker` may do what it has to: at once, but in a test that wants to know what happens when.
    fn await_turn(&self, _worker: Worker) {}

    /// The thread that writes the log waits for `worker`.
    fn give_turn(&self, _worker: Worker) {}

    /// The store is being closed: nobody waits for turns any more.
    fn end_turns(&self) {}
}

/// The threads behind the one that writes the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    /// Allocates ahead.
    Space,
    Flusher,
    Compactor,
}

/// What a new file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Zeros that were written: a flush of what is written over them changes no metadata, which halves its time.
    Zeros,
    /// Whatever is quickest: the space is only reserved.
    Anything,
}

/// A file that is never extended: only written space is written again.
pub(super) trait WritableFile: Send {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// When this answers, all that was written survives power loss.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on disk.
pub(super) struct Folder(PathBuf);

struct DiskFile(File);

/// How the name of a file ends until it is whole. Such a one is removed when the folder is opened.
const UNFINISHED: &str = "unfinished";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Folder {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        for entry in fs::read_dir(&path)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(file)?;
            }
        }
        Ok(Self(path))
    }
}

impl Files for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.0.join(name))?.len())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn create(&self, name: &str, size: u64, fill: Fill) -> io::Result<()> {
        let unfinished = self.0.join(format!("{name}.{UNFINISHED}"));
        let allocated = allocate(&unfinished, size, fill).and_then(|()| fs::rename(&unfinished, self.0.join(name)));
        if allocated.is_err() {
            // Gives the room back; what remains when this fails too is removed at the next opening.
            let _ = fs::remove_file(&unfinished);
        }
        allocated.and_then(|()| sync_folder(&self.0))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().write(true).open(self.0.join(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))?;
        sync_change(&self.0)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))?;
        sync_change(&self.0)
    }
}

impl WritableFile for DiskFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Room is asked for first, so that a full disk says so before anything is written.
fn allocate(path: &Path, size: u64, fill: Fill) -> io::Result<()> {
    let mut file = File::create(path)?;
    let is_reserved = reserve(&file, size)?;
    if fill == Fill::Zeros || !is_reserved {
        let mut missing = size;
        while missing > 0 {
            let length = missing.min(ZEROS.len() as u64);
            file.write_all(&ZEROS[..length as usize])?;
            missing -= length;
        }
    }
    file.sync_all()
}

/// Whether the file system can reserve space without writing it.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn reserve(file: &File, size: u64) -> io::Result<bool> {
    let length = libc::off_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: the descriptor is that of `file`, which is open; no memory is handed over.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => Ok(false),
            error => Err(error),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _size: u64) -> io::Result<bool> {
    Ok(false)
}

/// Makes a change of names durable. When that fails the change may have happened, whatever the reason: no caller is to take it
/// for one that found no room and left everything as it was.
fn sync_change(folder: &Path) -> io::Result<()> {
    sync_folder(folder).map_err(io::Error::other)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
