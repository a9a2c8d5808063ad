//! The shapes, for any channel in Rust. The counterpart of bench/engine/shapes.hpp.

use std::thread;
use std::time::Instant;

#[derive(PartialEq)]
pub enum Selects {
    Never,
    /// With one selecting receiver.
    Alone,
    Always,
}

/// A crate's channel. Its two halves are cloned for each thread.
pub trait Peer {
    const NAME: &'static str;
    const SELECTS: Selects;
    type Sender: Clone + Send;
    type Receiver: Clone + Send;

    /// `None`: without a limit.
    fn new(capacity: Option<usize>) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64);
    fn recv(receiver: &Self::Receiver) -> u64;
    fn select_send(senders: &[Self::Sender], value: u64);
    fn select_recv(receivers: &[Self::Receiver]) -> u64;
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Pair,
    Seq,
    Flow,
    SelectRecv,
    SelectBoth,
    PingPong,
}

pub struct Row {
    pub name: String,
    kind: Kind,
    capacity: Option<usize>,
    senders: u64,
    receivers: u64,
    messages: u64,
}

impl Row {
    /// Reads `shape/capacity:senders:receivers:messages`.
    pub fn parse(text: &str) -> Option<Row> {
        let mut fields = text.split(':');
        let name = fields.next()?.to_string();
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (senders, receivers, messages) = (number()?, number()?, number()?);
        let (shape, capacity) = name.split_once('/')?;
        let kind = match shape {
            "pair" => Kind::Pair,
            "seq" => Kind::Seq,
            "ping_pong" => Kind::PingPong,
            "select_both" => Kind::SelectBoth,
            _ if shape.starts_with("select") => Kind::SelectRecv,
            _ => Kind::Flow,
        };
        let capacity = match capacity {
            "unbounded" => None,
            "all" => Some(messages as usize),
            number => Some(number.parse().ok()?),
        };
        Some(Row {
            name,
            kind,
            capacity,
            senders,
            receivers,
            messages,
        })
    }

    fn selects(&self) -> bool {
        matches!(self.kind, Kind::SelectRecv | Kind::SelectBoth)
    }
}

pub fn possible<P: Peer>(row: &Row) -> bool {
    match row.kind {
        Kind::SelectRecv => P::SELECTS != Selects::Never,
        Kind::SelectBoth => P::SELECTS == Selects::Always,
        _ => true,
    }
}

fn send<P: Peer>(sender: P::Sender, messages: u64) {
    for i in 0..messages {
        P::send(&sender, i);
    }
}

fn receive<P: Peer>(receiver: P::Receiver, messages: u64) -> u64 {
    (0..messages).map(|_| P::recv(&receiver)).sum()
}

/// Nanoseconds a message; a round trip is one message.
pub fn nanos<P: Peer>(row: &Row) -> f64 {
    let count = match row.kind {
        Kind::PingPong => 2,
        _ if row.selects() => row.senders as usize,
        _ => 1,
    };
    let (senders, receivers): (Vec<P::Sender>, Vec<P::Receiver>) =
        (0..count).map(|_| P::new(row.capacity)).unzip();
    let n = row.messages;
    let start = Instant::now();
    let sum: u64 = thread::scope(|scope| match row.kind {
        Kind::Pair => (0..n)
            .map(|i| {
                P::send(&senders[0], i);
                P::recv(&receivers[0])
            })
            .sum(),
        Kind::Seq => {
            send::<P>(senders[0].clone(), n);
            receive::<P>(receivers[0].clone(), n)
        }
        Kind::Flow => {
            for _ in 0..row.senders {
                let sender = senders[0].clone();
                scope.spawn(move || send::<P>(sender, n / row.senders));
            }
            let others: Vec<_> = (1..row.receivers)
                .map(|_| {
                    let receiver = receivers[0].clone();
                    scope.spawn(move || receive::<P>(receiver, n / row.receivers))
                })
                .collect();
            let own = receive::<P>(receivers[0].clone(), n / row.receivers);
            own + others
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<u64>()
        }
        Kind::PingPong => {
            let (there, back) = (senders[0].clone(), receivers[1].clone());
            scope.spawn(move || {
                let mut value = 0; // what is sent depends on what came
                for _ in 0..n {
                    P::send(&there, value);
                    value = P::recv(&back) + 1;
                }
            });
            (0..n)
                .map(|_| {
                    let value = P::recv(&receivers[0]);
                    P::send(&senders[1], value);
                    value
                })
                .sum()
        }
        Kind::SelectRecv => {
            for sender in &senders {
                let sender = sender.clone();
                scope.spawn(move || send::<P>(sender, n / row.senders));
            }
            (0..n).map(|_| P::select_recv(&receivers)).sum()
        }
        Kind::SelectBoth => {
            for _ in 0..row.senders {
                let all = senders.clone();
                scope.spawn(move || (0..n / row.senders).for_each(|i| P::select_send(&all, i)));
            }
            let others: Vec<_> = (1..row.receivers)
                .map(|_| {
                    let all = receivers.clone();
                    let share = n / row.receivers;
                    scope.spawn(move || (0..share).map(|_| P::select_recv(&all)).sum::<u64>())
                })
                .collect();
            let own: u64 = (0..n / row.receivers)
                .map(|_| P::select_recv(&receivers))
                .sum();
            own + others
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<u64>()
        }
    });
    let took = start.elapsed();

    let many = row.selects() || row.kind == Kind::Flow;
    let threads = if many { row.senders } else { 1 };
    let each = n / threads;
    assert_eq!(
        sum,
        threads * (each * (each - 1) / 2),
        "{} of {}",
        row.name,
        P::NAME
    );
    took.as_nanos() as f64 / n as f64
}
