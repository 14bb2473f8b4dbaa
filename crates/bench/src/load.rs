//! Many connections at once, from one thread: two system calls a request, and little else.
//!
//! A [`Lane`] is one connection and what is done on it, one request after the other. [`run`] drives all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::http;

/// When nothing comes for so long, the server is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_secs(60);

const READ_BYTES: usize = 64 * 1024;

/// An answer, complete.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// What a lane does next.
#[derive(Debug, Clone, Copy)]
pub enum Turn {
    /// The request that was written is sent.
    Send,
    Pause(Duration),
    Done,
}

pub trait Lane {
    /// Takes the `answer` to the last request (none at first, and after a pause), and may write the next one.
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn>;
}

pub type Lanes = Vec<Box<dyn Lane>>;

/// What a run took, and what came for all lanes together.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    pub elapsed: Duration,
    pub received_bytes: u64,
    /// Sent.
    pub requests: u64,
}

/// Drives `lanes` until each is done, with `background` beside them until then.
pub fn run(address: &str, lanes: Lanes, background: Lanes) -> anyhow::Result<Ran> {
    let mut poll = Poll::new()?;
    let mut open = lanes.len();
    let mut connections = Vec::new();
    for (index, lane) in lanes.into_iter().chain(background).enumerate() {
        connections.push(Connection::open(address, lane, &poll, Token(index), index < open)?);
    }
    let began = Instant::now();
    let mut pauses = BinaryHeap::new();
    let mut answers_due = 0_usize;
    let mut scratch = vec![0; READ_BYTES];
    for (index, connection) in connections.iter_mut().enumerate() {
        match connection.advance()? {
            Turn::Send => answers_due += 1,
            Turn::Pause(pause) => pauses.push(Reverse((Instant::now() + pause, index))),
            Turn::Done => open -= usize::from(connection.is_awaited),
        }
    }
    let mut events = Events::with_capacity(1024);
    while open > 0 {
        let until_due = pauses.peek().map(|Reverse((due, _))| due.saturating_duration_since(Instant::now()));
        events.clear();
        match until_due {
            // The poller counts in milliseconds; this is finer.
            Some(pause) if answers_due == 0 => std::thread::sleep(pause),
            until_due => {
                anyhow::ensure!(until_due.is_some() || answers_due > 0, "every lane waits for another");
                match poll.poll(&mut events, Some(until_due.unwrap_or(SILENCE_MAX))) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error.into()),
                }
                anyhow::ensure!(until_due.is_some() || !events.is_empty(), "no answer within {SILENCE_MAX:?}");
            }
        }
        let mut turns = Vec::with_capacity(64);
        for event in &events {
            let index = event.token().0;
            if event.is_writable() {
                connections[index].write()?;
            }
            if event.is_readable() && connections[index].read(&mut scratch)? {
                answers_due -= 1;
                turns.push((index, connections[index].advance()?));
            }
        }
        let now = Instant::now();
        while let Some(Reverse((_, index))) = pauses.peek().copied().filter(|Reverse((due, _))| *due <= now) {
            pauses.pop();
            turns.push((index, connections[index].advance()?));
        }
        for (index, turn) in turns {
            match turn {
                Turn::Send => answers_due += 1,
                Turn::Pause(pause) => pauses.push(Reverse((Instant::now() + pause, index))),
                Turn::Done => open -= usize::from(connections[index].is_awaited),
            }
        }
    }
    let received_bytes = connections.iter().map(|connection| connection.received_bytes).sum();
    let requests = connections.iter().map(|connection| connection.requests).sum();
    Ok(Ran { elapsed: began.elapsed(), received_bytes, requests })
}

struct Connection {
    stream: TcpStream,
    lane: Box<dyn Lane>,
    /// Whether the run lasts until this lane is done.
    is_awaited: bool,
    request: Vec<u8>,
    written: usize,
    received: Vec<u8>,
    answer: Option<http::Head>,
    received_bytes: u64,
    requests: u64,
}

impl Connection {
    fn open(address: &str, lane: Box<dyn Lane>, poll: &Poll, token: Token, is_awaited: bool) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let (request, received) = (Vec::new(), Vec::new());
        Ok(Self { stream, lane, is_awaited, request, written: 0, received, answer: None, received_bytes: 0, requests: 0 })
    }

    /// Gives the lane its turn.
    fn advance(&mut self) -> anyhow::Result<Turn> {
        let answer = self.answer.take().map(|head| Answer { status: head.status, body: &self.received[head.body_start..head.body_end] });
        self.request.clear();
        let turn = self.lane.turn(Instant::now(), answer, &mut self.request)?;
        self.received.clear();
        self.written = 0;
        if let Turn::Send = turn {
            self.requests += 1;
            self.write()?;
        }
        Ok(turn)
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// True once the answer is complete.
    fn read(&mut self, scratch: &mut [u8]) -> anyhow::Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => anyhow::bail!("the server closed a connection"),
                Ok(count) => {
                    self.received.extend_from_slice(&scratch[..count]);
                    self.received_bytes += count as u64;
                    // What fills less than it could has emptied the socket: the next event comes with new bytes.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.answer = http::read_head(&self.received)?.filter(|head| self.received.len() >= head.body_end);
        Ok(self.answer.is_some())
    }
}
