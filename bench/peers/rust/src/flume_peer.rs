//! flume. Its Selector is built for each operation; it has no other. Where several threads select among the same
//! channels, they end up asleep with messages queued (zesterer/flume#135; seen here within a second), so those rows are
//! left out.

use crate::shapes::{Peer, Selects};
use flume::{bounded, unbounded, Receiver, Selector, Sender};

pub struct Flume;

impl Peer for Flume {
    const NAME: &'static str = "flume";
    const SELECTS: Selects = Selects::Alone;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(capacity: Option<usize>) -> (Sender<u64>, Receiver<u64>) {
        capacity.map_or_else(unbounded, bounded)
    }
    fn send(sender: &Sender<u64>, value: u64) {
        sender.send(value).unwrap();
    }
    fn recv(receiver: &Receiver<u64>) -> u64 {
        receiver.recv().unwrap()
    }
    fn select_send(senders: &[Sender<u64>], value: u64) {
        senders
            .iter()
            .fold(Selector::new(), |select, sender| {
                select.send(sender, value, |sent| sent.unwrap())
            })
            .wait();
    }
    fn select_recv(receivers: &[Receiver<u64>]) -> u64 {
        receivers
            .iter()
            .fold(Selector::new(), |select, receiver| {
                select.recv(receiver, |got| got.unwrap())
            })
            .wait()
    }
}
