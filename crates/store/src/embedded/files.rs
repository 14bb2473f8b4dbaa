//! The few things the log asks of a file system, so that tests can put one under it that crashes at any of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A folder of files.
pub(super) trait Files: Send + Sync + 'static {
    fn list(&self) -> io::Result<Vec<String>>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// A file that begins with `header` and is zero up to `size` bytes. When this answers, all of it is allocated and
    /// durable, its name too; when it fails, what is there of it holds nothing but these bytes.
    fn create(&self, name: &str, header: &[u8], size: u64) -> io::Result<Box<dyn WritableFile>>;

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>>;

    /// Removes a file, durably.
    fn remove(&self, name: &str) -> io::Result<()>;
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

const ZEROS_AT_ONCE_BYTES: usize = 1 << 20;

impl Folder {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
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

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn create(&self, name: &str, header: &[u8], size: u64) -> io::Result<Box<dyn WritableFile>> {
        let path = self.0.join(name);
        let allocated = allocate(&path, header, size).and_then(|file| {
            sync_folder(&self.0)?;
            Ok(file)
        });
        match allocated {
            Ok(file) => Ok(Box::new(DiskFile(file))),
            Err(error) => {
                // Gives the room back; what remains when this fails too is recognised and removed at the next opening.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().write(true).open(self.0.join(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))?;
        sync_folder(&self.0)
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

/// Zeros are written, not only reserved: a flush of written space then changes no metadata, which halves its time.
fn allocate(path: &Path, header: &[u8], size: u64) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(header)?;
    let zeros = vec![0; ZEROS_AT_ONCE_BYTES];
    let mut missing = size.saturating_sub(header.len() as u64);
    while missing > 0 {
        let length = missing.min(zeros.len() as u64);
        file.write_all(&zeros[..length as usize])?;
        missing -= length;
    }
    file.sync_all()?;
    Ok(file)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
