//! What the processes of one machine ask a running server: over a socket in the folder of its data, so that whoever may
//! write there may ask, and nobody else.
//!
//! One line each way. `backup FOLDER` is answered with `copied FILES BYTES`, or `failed WHY`.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use skald_store::embedded::EmbeddedStore;
use skald_store::embedded::backup::Copied;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

/// Within the data's folder.
const SOCKET: &str = "control";
/// SOURCE: Linux: a path has 4,096 bytes at most.
const LINE_BYTES_MAX: u64 = 8_192;
/// Whoever connects and asks nothing keeps others waiting for so long.
const LINE_PATIENCE: Duration = Duration::from_secs(5);

/// Answers for as long as it lives.
pub(crate) struct Control {
    path: PathBuf,
    task: AbortHandle,
}

impl Control {
    /// `None`, said in the log, where such a socket cannot be: nothing else depends on it.
    pub(crate) fn listen(folder: &Path, store: Arc<EmbeddedStore>) -> Option<Self> {
        let path = folder.join(SOCKET);
        // Of a server that was killed: the store is ours now.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)
            .and_then(|listener| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map(|()| listener))
            .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "no backups while this server runs"))
            .ok()?;
        let task = tokio::spawn(serve(listener, store)).abort_handle();
        Some(Self { path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, store: Arc<EmbeddedStore>) {
    loop {
        // One after the other: two backups at once would only slow each other down.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let (reader, mut writer) = stream.into_split();
        let mut line = String::new();
        let mut reader = tokio::io::BufReader::new(reader.take(LINE_BYTES_MAX));
        if !matches!(tokio::time::timeout(LINE_PATIENCE, reader.read_line(&mut line)).await, Ok(Ok(_))) {
            continue;
        }
        let answer = match line.trim_end_matches('\n').strip_prefix("backup ") {
            Some(folder) => answer(Arc::clone(&store), PathBuf::from(folder)).await,
            None => "failed this server does not know what is asked\n".to_owned(),
        };
        // Nobody may be there to hear it.
        let _ = writer.write_all(answer.as_bytes()).await;
    }
}

async fn answer(store: Arc<EmbeddedStore>, folder: PathBuf) -> String {
    tracing::info!(folder = %folder.display(), "a backup begins");
    let copying = tokio::task::spawn_blocking(move || store.backup(&folder));
    match copying.await {
        Ok(Ok(Copied { files, bytes })) => {
            tracing::info!(files, bytes, "a backup is done");
            format!("copied {files} {bytes}\n")
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a backup failed");
            format!("failed {}\n", error.to_string().replace('\n', " "))
        }
        Err(error) => format!("failed {error}\n"),
    }
}

/// Asks the server that has `data` open. `None` when there is none.
pub(crate) fn ask_for_backup(data: &Path, to: &Path) -> anyhow::Result<Option<Copied>> {
    let socket = data.join(SOCKET);
    let mut stream = match UnixStream::connect(&socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error).with_context(|| socket.display().to_string()),
    };
    let to = to.to_str().filter(|to| !to.contains('\n')).context("the name of the copy's folder is no text of one line")?;
    writeln!(stream, "backup {to}").context("the server is gone")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("the server is gone")?;
    if let Some(why) = line.strip_prefix("failed ") {
        anyhow::bail!("{}", why.trim_end());
    }
    let mut numbers = line.strip_prefix("copied ").unwrap_or_default().split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(files)), Some(Ok(bytes))) => Ok(Some(Copied { files, bytes })),
        _ => anyhow::bail!("the server ended before the backup did"),
    }
}
