//! crossbeam-channel, kanal and flume in the shapes of bench/engine/plan.hpp, which says what they are.
//!
//! `peers --who NAME ROW...` runs each row once and prints a JSON object for it; a row that the peer has no means for
//! is left out. What bench/engine/shapes.hpp does in C++ is done here: the same threads, the same messages, the same
//! clock, and the same check that all messages arrived.

mod crossbeam;
mod flume_peer;
mod kanal_peer;
mod shapes;

use shapes::{Peer, Row};

fn run<P: Peer>(rows: &[Row]) {
    for row in rows.iter().filter(|row| shapes::possible::<P>(row)) {
        let nanos = shapes::nanos::<P>(row);
        println!(
            "{{\"who\": \"{}\", \"shape\": \"{}\", \"ns_per_message\": {nanos:.2}, \"samples\": [{nanos:.2}]}}",
            P::NAME,
            row.name
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let who = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--who"), Some(who)) => who,
        _ => panic!("usage: peers --who crossbeam-channel|kanal|flume ROW..."),
    };
    let rows: Vec<Row> = arguments
        .map(|text| Row::parse(&text).unwrap_or_else(|| panic!("no row: {text}")))
        .collect();
    match who.as_str() {
        "crossbeam-channel" => run::<crossbeam::Crossbeam>(&rows),
        "kanal" => run::<kanal_peer::Kanal>(&rows),
        "flume" => run::<flume_peer::Flume>(&rows),
        _ => panic!("no peer: {who}"),
    }
}
