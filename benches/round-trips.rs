//! Counts the round trips of connections: a TCP proxy that hands everything over late, so that what one end waits for
//! the other is all the time there is.
//!
//!     round-trips FROM-PORT TO-ADDRESS:PORT RTT-MS
//!
//! Listens on 127.0.0.1. When a connection has ended it says how long it lived, in round trips, the TCP handshake
//! included, and each flight: when it was handed over, which way it went, how many bytes it had. It ends TCP, so it
//! knows nothing of delayed ACKs and slow start: count with it, and measure time with `latency`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    // cargo bench adds it.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [port, to, rtt] = &arguments[..] else {
        println!("usage: round-trips FROM-PORT TO-ADDRESS:PORT RTT-MS; benches/run gives all three");
        return Ok(());
    };
    let rtt = Duration::from_millis(rtt.parse()?);
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    for client in listener.incoming() {
        let (client, to) = (client?, to.clone());
        thread::spawn(move || {
            if let Err(why) = connection(client, &to, rtt) {
                eprintln!("round-trips: {why}");
            }
        });
    }
    Ok(())
}

/// What was handed over.
#[derive(Clone, Copy)]
struct Flight {
    at: Instant,
    up: bool,
    bytes: usize,
}

type Flights = Arc<Mutex<Vec<Flight>>>;

fn connection(client: TcpStream, to: &str, rtt: Duration) -> Result<()> {
    let begun = Instant::now();
    // The client learned at once that it is connected. Over a real link the server would notice the connection one
    // and a half round trips after its beginning, so that is when it learns of it.
    wait_until(begun + rtt * 3 / 2);
    let server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let flights = Flights::default();
    let up = direction(client.try_clone()?, server.try_clone()?, true, rtt / 2, flights.clone());
    let down = direction(server, client, false, rtt / 2, flights.clone());
    for way in [up, down] {
        way.join().map_err(|_| "a thread failed")??;
    }
    print(begun, rtt, &joined(&flights.lock().unwrap_or_else(PoisonError::into_inner)));
    Ok(())
}

fn direction(
    mut from: TcpStream,
    mut to: TcpStream,
    up: bool,
    half: Duration,
    flights: Flights,
) -> thread::JoinHandle<Result<()>> {
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            // A reset is an end like any other.
            let bytes = from.read(&mut buffer).unwrap_or(0);
            sender.send((Instant::now() + half, buffer[..bytes].to_vec()))?;
            if bytes == 0 {
                return Ok(());
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            wait_until(due);
            let gone = piece.is_empty() || to.write_all(&piece).is_err();
            flights.lock().unwrap_or_else(PoisonError::into_inner).push(Flight {
                at: Instant::now(),
                up,
                bytes: piece.len(),
            });
            if gone {
                let _closed_already = to.shutdown(Shutdown::Write);
                break;
            }
        }
        Ok(())
    })
}

/// Pieces that were handed over one after the other and close together are one flight.
fn joined(pieces: &[Flight]) -> Vec<Flight> {
    const CLOSE: Duration = Duration::from_millis(5);
    let mut flights: Vec<Flight> = Vec::new();
    for piece in pieces {
        match flights.last_mut() {
            Some(last)
                if last.up == piece.up && piece.at.duration_since(last.at) < CLOSE && piece.bytes > 0 =>
            {
                last.bytes += piece.bytes;
            }
            _ => flights.push(*piece),
        }
    }
    flights
}

fn print(begun: Instant, rtt: Duration, flights: &[Flight]) {
    let trips = |at: Instant| at.duration_since(begun).as_secs_f64() / rtt.as_secs_f64();
    let last_down = flights.iter().rfind(|flight| !flight.up && flight.bytes > 0);
    let turns = flights.windows(2).filter(|pair| pair[0].up != pair[1].up).count();
    let to_result = last_down.map_or(0.0, |flight| trips(flight.at));
    println!("{to_result:.2} round trips to the last answer, {turns} turns");
    for flight in flights {
        let way = if flight.up { "->" } else { "<-" };
        let what = if flight.bytes == 0 { "end".to_string() } else { format!("{} bytes", flight.bytes) };
        println!("  {:6.2} {way} {what}", trips(flight.at));
    }
}

fn wait_until(due: Instant) {
    #[expect(clippy::disallowed_methods, reason = "being late is what this program is for")]
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
