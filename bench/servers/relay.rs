// A line broadcast in Rust on tokio, as it is written there: on one thread, a task reads each connection, another
// writes it. What a read completed is one batch, handed to all others at once, so that all see one order. A writer
// takes all that has come since its last write and writes it at once. A connection with more than 16 MiB
// waiting is closed.

use std::{cell::RefCell, collections::HashMap, env, io, rc::Rc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{tcp::OwnedReadHalf, tcp::OwnedWriteHalf, TcpListener},
    sync::Notify,
    task,
};

const READ_SIZE: usize = 64 * 1024;
const MAX_MESSAGE: usize = 1024 * 1024;
const MAX_PENDING: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct Peer {
    waiting: RefCell<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<Bytes>,
    size: usize,
    over: bool,
}

type Peers = Rc<RefCell<HashMap<usize, Rc<Peer>>>>;

impl Peer {
    fn give(&self, frames: &Bytes) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.size += frames.len();
        if waiting.size > MAX_PENDING {
            waiting.over = true;
            waiting.batches.clear();
        } else {
            waiting.batches.push(frames.clone());
        }
        self.more.notify_one();
    }

    fn end(&self) {
        self.waiting.borrow_mut().over = true;
        self.more.notify_one();
    }
}

async fn read(mut connection: OwnedReadHalf, number: usize, peers: &Peers) -> io::Result<()> {
    let mut held = BytesMut::with_capacity(READ_SIZE);
    loop {
        let before = held.len();
        if before > MAX_MESSAGE {
            return Ok(());
        }
        held.reserve(READ_SIZE / 2);
        if connection.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
        if let Some(last) = memchr::memrchr(b'\n', &held[before..]) {
            let frames = held.split_to(before + last + 1).freeze();
            for (other, peer) in peers.borrow().iter() {
                if *other != number {
                    peer.give(&frames);
                }
            }
        }
    }
}

async fn write(mut connection: OwnedWriteHalf, peer: Rc<Peer>) -> io::Result<()> {
    loop {
        peer.more.notified().await;
        let batches = {
            let mut waiting = peer.waiting.borrow_mut();
            if waiting.over {
                return Ok(());
            }
            waiting.size = 0;
            std::mem::take(&mut waiting.batches)
        };
        match &batches[..] {
            [one] => connection.write_all(one).await?,
            several => connection.write_all(&several.concat()).await?,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = env::args().nth(1).and_then(|text| text.parse().ok()).expect("relay PORT");
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let peers = Peers::default();
    task::LocalSet::new()
        .run_until(async move {
            for number in 0.. {
                let (connection, _) = listener.accept().await?;
                connection.set_nodelay(true)?;
                let (reading, writing) = connection.into_split();
                let (peer, peers) = (Rc::new(Peer::default()), peers.clone());
                peers.borrow_mut().insert(number, peer.clone());
                let writer = task::spawn_local(write(writing, peer.clone()));
                task::spawn_local(async move {
                    tokio::select! {
                        _ = read(reading, number, &peers) => peer.end(),
                        _ = writer => {}
                    }
                    peers.borrow_mut().remove(&number);
                });
            }
            Ok(())
        })
        .await
}
