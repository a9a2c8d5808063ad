//! kanal. It has no select.

use crate::shapes::{Peer, Selects};
use kanal::{bounded, unbounded, Receiver, Sender};

pub struct Kanal;

impl Peer for Kanal {
    const NAME: &'static str = "kanal";
    const SELECTS: Selects = Selects::Never;
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
    fn select_send(_: &[Sender<u64>], _: u64) {
        unreachable!();
    }
    fn select_recv(_: &[Receiver<u64>]) -> u64 {
        unreachable!();
    }
}
