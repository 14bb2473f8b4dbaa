//! Bytes that changed on disk: a last frame that was never finished is cut, anything else refuses to open and says where.

use super::*;

use std::path::PathBuf;

/// One append after the other, each a frame of its own; not closed, so that the last frame is the last batch.
struct Written {
    folder: tempfile::TempDir,
    files: Arc<SimulatedFiles>,
    /// Where each frame begins, and where the last ends.
    offsets: Vec<usize>,
    model_at: Vec<Model>,
}

async fn write(batches: usize) -> Written {
    let folder = folder();
    let files = Arc::new(SimulatedFiles::new());
    let store = EmbeddedStore::open_with(folder.path(), Options::one_segment(), files.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let mut workload = Workload::new(3);
    let mut model = Model::default();
    let mut model_at = vec![model.clone(), model.clone()];
    for _ in 0..batches {
        let batch = workload.next_admitted(epoch);
        store.append(batch.clone()).await.expect("appended");
        model.apply(&batch);
        model_at.push(model.clone());
    }
    // Nothing is written any more: what follows is as after a kill.
    let files_then = Arc::new(SimulatedFiles::clone(&files).survivors(&mut Random::new(0)));
    files.crash();
    drop(store);
    let bytes = files_then.read(&log::name(1)).expect("readable");
    let header = frame::SegmentHeader::decode(&bytes).expect("a header");
    let mut offsets = vec![frame::SEGMENT_HEADER_BYTES];
    while let Some(found) = frame::FrameHeader::decode(&bytes, offsets[offsets.len() - 1], header.salt) {
        offsets.push(offsets[offsets.len() - 1] + found.size());
    }
    assert_eq!(offsets.len(), batches + 2, "the claim, and a frame for each batch");
    Written { folder, files: files_then, offsets, model_at }
}

impl Options {
    fn one_segment() -> Self {
        Self { segment_bytes: 64 << 10, log_bytes_max: 1 << 20, memtable_bytes_max: 1 << 20, ..small() }
    }
}

impl Written {
    /// Opens a copy whose first segment `change` was done to.
    fn open(&self, change: impl Fn(&mut Vec<u8>)) -> Result<Arc<dyn Store>, Error> {
        self.open_files(&Arc::new(self.changed(change)))
    }

    fn open_files(&self, files: &Arc<SimulatedFiles>) -> Result<Arc<dyn Store>, Error> {
        let folder = self.folder.path();
        let _ = fs::remove_dir_all(folder.join("tree"));
        Ok(Arc::new(EmbeddedStore::open_with(folder, Options::one_segment(), files.clone())?))
    }

    fn changed(&self, change: impl Fn(&mut Vec<u8>)) -> SimulatedFiles {
        let files = self.files.survivors(&mut Random::new(0));
        let mut bytes = files.read(&log::name(1)).expect("readable");
        change(&mut bytes);
        files.replace(&log::name(1), bytes);
        files
    }
}

#[tokio::test]
async fn a_last_frame_that_ends_anywhere_is_cut() {
    let written = write(6).await;
    let [.., start, end] = written.offsets[..] else { panic!("there are frames") };
    for cut in start..end {
        let store = written.open(|bytes| bytes[cut..].fill(0)).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let whole = &written.model_at[written.model_at.len() - 1];
        let without = &written.model_at[written.model_at.len() - 2];
        // The frame may end in zeros that are missed by nobody.
        let expected = if whole.difference(&store).await.is_ok() { whole } else { without };
        expected.compare(&store).await;
    }
}

/// As [`a_last_frame_that_ends_anywhere_is_cut`], with a file that ends there, its padding included.
#[tokio::test]
async fn a_file_that_ends_within_its_last_frame_is_cut_there() {
    let written = write(6).await;
    let [.., start, end] = written.offsets[..] else { panic!("there are frames") };
    let without = &written.model_at[written.model_at.len() - 2];
    for cut in start..end {
        let store = written.open(|bytes| bytes.truncate(cut)).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        without.compare(&store).await;
    }
}

/// The log goes on in another segment only behind what was flushed.
#[tokio::test]
async fn a_last_frame_is_not_cut_when_another_segment_was_begun() {
    let written = write(6).await;
    let [.., start, _] = written.offsets[..] else { panic!("there are frames") };
    let open = |is_last_damaged: bool| {
        let files = written.changed(|bytes| bytes[start + 40] ^= u8::from(is_last_damaged));
        let next = frame::SegmentHeader::decode(&files.read(&log::name(1)).expect("readable")).expect("a header").next();
        let mut buffer = frame::FrameBuffer::default();
        buffer.push(&frame::Item::Batch(batch(Epoch(1)).entry(records(entity(1), 0, 1, &"never finished".repeat(40)))));
        let (sealed, _) = buffer.seal(next.salt, 1_000, 7);
        let mut bytes = vec![0; 64 << 10];
        bytes[..frame::SEGMENT_HEADER_BYTES].copy_from_slice(&next.encode());
        bytes[frame::SEGMENT_HEADER_BYTES..][..40].copy_from_slice(&sealed[..40]);
        files.create(&log::name(2), bytes.len() as u64, files::Fill::Zeros).expect("there is room");
        files.replace(&log::name(2), bytes);
        written.open_files(&Arc::new(files))
    };
    written.model_at[written.model_at.len() - 1].compare(&open(false).expect("what was never finished is cut")).await;
    let Err(Error::Damaged(why)) = open(true) else { panic!("an acknowledged frame is missing") };
    assert!(why.contains(&log::name(1)) && why.contains(&format!("offset {start}")), "{why}");
}

/// Where frames of another segment, and older ones, lie behind the end.
#[tokio::test]
async fn a_last_frame_over_stale_frames_is_cut_and_damage_before_it_is_not() {
    let written = write(6).await;
    let [.., before, start, end] = written.offsets[..] else { panic!("there are frames") };
    let stale = |bytes: &mut Vec<u8>| {
        // What a segment of another salt left behind, from the very offset at which the next frame would begin.
        let header = frame::SegmentHeader::decode(bytes).expect("a header");
        let mut buffer = frame::FrameBuffer::default();
        let mut offset = end;
        for number in 0..20 {
            buffer.clear();
            buffer.push(&frame::Item::Batch(batch(Epoch(1)).entry(records(entity(number), 0, 1, &"stale".repeat(40)))));
            let (sealed, _) = buffer.seal(header.next().salt, 1030 + number, 7);
            bytes[offset..offset + sealed.len()].copy_from_slice(sealed);
            offset += sealed.len();
        }
    };
    let store = written.open(stale).expect("the log ends before what is stale");
    written.model_at[written.model_at.len() - 1].compare(&store).await;
    drop(store);
    for cut in start..start + 40 {
        let store = written.open(|bytes| {
            stale(bytes);
            bytes.copy_within(end + 400..end + 400 + (end - cut), cut);
        });
        let store = store.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        written.model_at[written.model_at.len() - 2].compare(&store).await;
    }
    for at in before..before + 60 {
        let opened = written.open(|bytes| {
            stale(bytes);
            bytes[at] ^= 1;
        });
        let why = opened.map(drop).expect_err("a later frame is whole").to_string();
        assert!(why.contains(&format!("offset {before}:")), "byte {at}: {why}");
    }
}

#[test]
fn frames_of_other_segments_of_a_log_are_never_whole() {
    let mut header = frame::SegmentHeader { generation: 1, salt: 0x1234_5678_FFFF_FFF0 };
    let mut buffer = frame::FrameBuffer::default();
    buffer.clear();
    buffer.push(&frame::Item::Batch(batch(Epoch(1)).entry(records(entity(1), 0, 1, "text"))));
    let sealed = buffer.seal(header.salt, 2000, 5).0.to_vec();
    assert!(frame::FrameHeader::decode(&sealed, 0, header.salt).is_some());
    for _ in 0..100_000 {
        header = header.next();
        assert_eq!(frame::FrameHeader::decode(&sealed, 0, header.salt), None);
        assert_eq!(header.salt >> 32, 0x1234_5678);
    }
}

/// What is left of the frame must not look like damage once later frames are elsewhere.
#[tokio::test]
async fn nothing_remains_of_a_frame_that_was_cut() {
    let written = write(6).await;
    let [.., start, _] = written.offsets[..] else { panic!("there are frames") };
    let files = Arc::new(written.changed(|bytes| bytes[start] = 0));
    let store = written.open_files(&files).expect("the last frame is cut");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let large = batch(epoch).entry(records(entity(77), 0, 1, &"x".repeat(63 << 10)));
    store.append(large).await.expect("appended");
    drop(store);
    let store = written.open_files(&files).expect("the store opens again");
    assert_eq!(store.position(entity(77)).await, Ok(Position(1)));
}

#[tokio::test]
async fn a_flipped_bit_before_the_last_frame_is_refused_with_its_place() {
    let written = write(6).await;
    let frames = written.offsets.len() - 1;
    for (index, window) in written.offsets.windows(2).take(frames - 1).enumerate() {
        let [start, end] = window else { panic!("a window of two") };
        for at in (*start..*end).step_by(5) {
            let opened = written.open(|bytes| bytes[at] ^= 0x10);
            match opened {
                Err(Error::Damaged(why)) => {
                    assert!(
                        why.contains("000000000001.log") && why.contains(&format!("offset {start}:")),
                        "frame {index}, byte {at}: {why}"
                    );
                }
                Err(other) => panic!("frame {index}, byte {at}: {other}"),
                // Padding belongs to no frame.
                Ok(store) => {
                    written.model_at[frames].compare(&store).await;
                    assert!(end - at < frame::ALIGNMENT, "frame {index}, byte {at}: not noticed");
                }
            }
        }
    }
}

#[tokio::test]
async fn zeros_in_the_middle_are_refused() {
    let written = write(6).await;
    for window in written.offsets.windows(2).take(written.offsets.len() - 2) {
        let opened = written.open(|bytes| bytes[window[0]..window[1]].fill(0)).map(drop);
        assert!(matches!(&opened, Err(Error::Damaged(why)) if why.contains(&format!("offset {}:", window[0]))), "{opened:?}");
    }
}

#[tokio::test]
async fn a_damaged_segment_header_is_refused() {
    let written = write(3).await;
    for at in 0..frame::SEGMENT_HEADER_BYTES {
        let opened = written.open(|bytes| bytes[at] ^= 1).map(drop);
        assert!(matches!(&opened, Err(Error::Damaged(why)) if why.contains("000000000001.log at offset 0")), "byte {at}: {opened:?}");
    }
}

/// A store in a folder with several segments and tables, closed.
async fn closed_folder() -> tempfile::TempDir {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    store.append(batch(epoch).entry(records(entity(1000), 0, 1, "pins the log"))).await.expect("appended");
    for number in 0..60 {
        let entry = records(entity(number), 0, 1, &"x".repeat(500)).with_head("head");
        store.append(batch(epoch).entry(entry)).await.expect("appended");
        if number == 30 {
            store.checkpoint().await;
        }
    }
    store.close().await.expect("closed");
    folder
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder.join("log")).expect("readable").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

fn refusal(folder: &Path) -> String {
    match EmbeddedStore::open(folder, small()).map(drop) {
        Err(Error::Damaged(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_segment_is_refused() {
    for index in 0..4 {
        let folder = closed_folder().await;
        let segments = segments(folder.path());
        assert!(segments.len() > 4, "{segments:?}");
        fs::remove_file(&segments[index]).expect("removed");
        let why = refusal(folder.path());
        assert!(why.contains("is missing") || why.contains("does not reach back"), "{why}");
    }
}

/// Nothing but zeros follows in its segment: only the next one knows that there was more.
#[tokio::test]
async fn zeros_at_the_end_of_a_segment_are_refused() {
    let folder = closed_folder().await;
    let path = &segments(folder.path())[2];
    let mut bytes = fs::read(path).expect("readable");
    let header = frame::SegmentHeader::decode(&bytes).expect("a header");
    let (mut offset, mut last) = (frame::SEGMENT_HEADER_BYTES, 0);
    while let Some(found) = frame::FrameHeader::decode(&bytes, offset, header.salt) {
        (offset, last) = (offset + found.size(), offset);
    }
    bytes[last..].fill(0);
    fs::write(path, bytes).expect("written");
    let why = refusal(folder.path());
    assert!(why.contains(&format!("{}.log at offset {last}: frames are missing", &log::name(header.generation)[..12])), "{why}");
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_refused() {
    let folder = closed_folder().await;
    let segments = segments(folder.path());
    for segment in &segments[segments.len() - 4..] {
        fs::remove_file(segment).expect("removed");
    }
    let why = refusal(folder.path());
    assert!(why.contains("the log ends with item"), "{why}");
}

#[tokio::test]
async fn a_missing_cold_tree_is_refused() {
    let folder = closed_folder().await;
    fs::remove_dir_all(folder.path().join("tree")).expect("removed");
    assert!(refusal(folder.path()).contains("older than the log"));
}

#[tokio::test]
async fn a_flipped_bit_in_the_manifest_is_refused() {
    let folder = closed_folder().await;
    let (version, _) = cold::manifest(&folder.path().join("tree")).expect("readable").expect("there is one");
    for name in ["current".to_owned(), format!("v{version}")] {
        let path = folder.path().join("tree").join(name);
        let whole = fs::read(&path).expect("readable");
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, &bytes).expect("written");
            refusal(folder.path());
        }
        fs::write(&path, &whole).expect("written");
    }
    let store = EmbeddedStore::open(folder.path(), small()).expect("it is whole again");
    assert_eq!(store.position(entity(59)).await, Ok(Position(1)));
}

#[tokio::test]
async fn a_store_without_its_format_is_refused() {
    let folder = closed_folder().await;
    fs::remove_file(folder.path().join("format")).expect("removed");
    assert!(refusal(folder.path()).contains("format"));
}
