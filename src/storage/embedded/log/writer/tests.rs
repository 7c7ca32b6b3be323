//! Full and failing stores, and clocks that jump.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    model::{MAX_TEXT_BYTES, Message, MessageId, Name, Posted, RoomName, Text},
    storage::embedded::log::{
        data_directory::DataDirectory, database::LogDatabase, space::RESERVE,
    },
};

#[derive(Default)]
struct Recorder(Mutex<Vec<u64>>);

impl CommitListener for Recorder {
    fn stored(&self, _: &RoomName, messages: &[Message]) {
        let seqs = messages.iter().map(|message| message.position.seq);
        self.0.lock().extend(seqs);
    }
}

const START: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const MONTH: Retention =
    Retention { age: Some(Duration::from_secs(30 * 86_400)), count: None, idle: None };

struct TestWriter {
    writer: Writer,
    recorder: Arc<Recorder>,
    now: Arc<Mutex<Now>>,
    /// The free bytes of the file system.
    free: Arc<AtomicU64>,
}

impl TestWriter {
    fn new(directory: &Path) -> Self {
        Self::at(directory, START)
    }

    /// Opens the log at a time of the clock.
    fn at(directory: &Path, wall: i64) -> Self {
        let path = DataDirectory::lock(directory).unwrap().log().unwrap();
        let connection = WriteConnection::open(Arc::new(LogDatabase::file(&path))).unwrap();
        let recorder = Arc::<Recorder>::default();
        let (_, commands) = mpsc::unbounded_channel();
        let now = Arc::new(Mutex::new(Now { wall, open: Duration::ZERO }));
        let clock = now.clone();
        let clock = Box::new(move || *clock.lock());
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let left = free.clone();
        let left = Box::new(move || left.load(Ordering::Relaxed));
        let space = Space::new(None, Arc::default(), left);
        let writer =
            Writer::new(connection, recorder.clone(), Arc::default(), commands, clock, space)
                .unwrap();
        Self { writer, recorder, now, free }
    }

    /// Lets time pass, and the clock jump as well.
    fn pass(&self, time: i64, jump: i64) {
        let mut now = self.now.lock();
        now.wall += time + jump;
        now.open += Duration::from_micros(time as u64);
    }

    /// Runs a retention. Returns the number of removed messages.
    fn retain(&mut self) -> u64 {
        let (reply, mut removed) = oneshot::channel();
        self.writer.retain(MONTH, reply);
        while !self.writer.trims.is_empty() {
            self.writer.trim();
        }
        removed.try_recv().unwrap().unwrap()
    }

    /// Posts texts of these lengths in one batch.
    fn post(&mut self, lengths: &[usize]) -> Vec<Result<Posted>> {
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let batch = lengths.iter().map(|&length| {
            let outcomes = outcomes.clone();
            PendingAppend {
                draft: Draft {
                    id: MessageId::new(),
                    room: RoomName::lobby(),
                    sender: Name::parse("alice").unwrap(),
                    text: Text::parse("x".repeat(length)).unwrap(),
                },
                done: Box::new(move |outcome| outcomes.lock().push(outcome)),
                permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
            }
        });
        self.writer.append(batch.collect());
        Arc::into_inner(outcomes).unwrap().into_inner()
    }
}

#[test]
fn a_full_disk_fails_whole_batches_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    assert!(test.post(&[10])[0].is_ok());
    test.writer.connection.limit_pages(30);

    let too_much = [&[10], &[MAX_TEXT_BYTES; 40] as &[_]].concat();
    let outcomes = test.post(&too_much);
    assert_eq!(outcomes.len(), too_much.len());
    for outcome in outcomes {
        assert!(matches!(outcome, Err(RequestError::StoreUnavailable(_))), "{outcome:?}");
    }
    assert_eq!(*test.recorder.0.lock(), [1]);
    assert_eq!(test.post(&[10])[0].as_ref().unwrap().position.seq, 2);

    test.writer.connection.limit_pages(1000);
    let seqs: Vec<_> =
        test.post(&too_much).into_iter().map(|posted| posted.unwrap().position.seq).collect();
    assert_eq!(seqs, (3..=43).collect::<Vec<_>>());
    assert_eq!(*test.recorder.0.lock(), (1..=43).collect::<Vec<_>>());
}

#[test]
fn a_wrong_clock_removes_nothing_and_a_right_one_does_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    test.post(&[10, 10]);
    assert_eq!(test.retain(), 0);
    // Ahead for a minute, and over a restart.
    test.pass(HOUR / 60, 400 * DAY);
    assert_eq!(test.retain(), 0);
    drop(test);
    let mut test = TestWriter::at(directory.path(), START + 400 * DAY);
    assert_eq!(test.retain(), 0);
    // It stays so: the clock is right after all. The retention follows in hours.
    test.pass(29 * HOUR, 0);
    assert_eq!(test.retain(), 0);
    test.pass(2 * HOUR, 0);
    assert_eq!(test.retain(), 2);
}

#[test]
fn messages_with_a_time_ahead_of_the_clock_are_kept_as_long_as_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    let time = |posted: &[Result<Posted>]| posted[0].as_ref().unwrap().created_at;
    test.pass(0, 400 * DAY);
    let ahead = time(&test.post(&[10]));
    test.pass(0, -400 * DAY);
    let after = time(&test.post(&[10]));
    assert!(test.writer.is_ahead && after > ahead, "times never decrease");
    test.pass(DAY, 0);
    test.post(&[10]);
    drop(test);
    // Not with its own time, 400 days late, but a month after it was stored.
    let mut test = TestWriter::at(directory.path(), START + DAY);
    let mut removed = Vec::new();
    for _ in 2..=33 {
        test.pass(DAY, 0);
        removed.push(test.retain());
    }
    let mut expected = [0; 32];
    expected[29..31].copy_from_slice(&[2, 1]);
    assert_eq!(removed, expected);
}

#[test]
fn other_failures_are_permanent() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    assert!(test.post(&[10])[0].is_ok());
    test.writer.connection.break_off();
    assert!(matches!(test.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
    test.writer.connection.repair();
    assert!(matches!(test.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
    assert_eq!(*test.recorder.0.lock(), [1]);
}

#[test]
fn a_long_write_ahead_log_is_moved_into_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    for _ in 0..30 {
        test.post(&[MAX_TEXT_BYTES; 10]);
    }
    let (pages, moved) = test.writer.connection.wal().unwrap();
    assert!(pages > 1000, "{pages}");
    assert!(moved < pages);
    test.writer.write(WriteConnection::checkpoint).unwrap();
    assert_eq!(test.writer.connection.wal().unwrap(), (pages, pages));
    test.post(&[10]);
    let (pages, _) = test.writer.connection.wal().unwrap();
    assert!(pages < 100, "begun anew, not {pages}");
}

#[test]
fn a_file_system_that_is_almost_full_takes_no_posts_until_space_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let mut test = TestWriter::new(directory.path());
    test.post(&[10])[0].as_ref().unwrap();
    test.free.store(RESERVE - 1, Ordering::Relaxed);
    assert!(matches!(test.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
    // Messages can still be removed.
    test.pass(40 * DAY, 0);
    assert_eq!(test.retain(), 1);
    test.free.store(RESERVE, Ordering::Relaxed);
    test.post(&[10])[0].as_ref().unwrap();
    assert_eq!(*test.recorder.0.lock(), [1, 2]);
}
