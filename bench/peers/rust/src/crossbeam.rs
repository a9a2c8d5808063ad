//! crossbeam-channel. A select is built for each operation, as its own benchmark does it.

use crate::shapes::{Peer, Selects};
use crossbeam_channel::{bounded, unbounded, Receiver, Select, Sender};

pub struct Crossbeam;

impl Peer for Crossbeam {
    const NAME: &'static str = "crossbeam-channel";
    const SELECTS: Selects = Selects::Always;
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
        let mut select = Select::new();
        for sender in senders {
            select.send(sender);
        }
        let chosen = select.select();
        let sender = &senders[chosen.index()];
        chosen.send(sender, value).unwrap();
    }
    fn select_recv(receivers: &[Receiver<u64>]) -> u64 {
        let mut select = Select::new();
        for receiver in receivers {
            select.recv(receiver);
        }
        let chosen = select.select();
        let receiver = &receivers[chosen.index()];
        chosen.recv(receiver).unwrap()
    }
}
