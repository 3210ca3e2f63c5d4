//! A link with latency to a host on this machine: real TCP, so that delayed ACKs, Nagle and slow start cost what they
//! cost on a real link. Kernels without netem have no other way.
//!
//!     latency CONTAINER-PID RTT-MS
//!
//! Makes two TUN devices, moves one into the network namespace of that process, and hands each packet over after half
//! the round trip. The host then answers at 10.99.0.2, which is printed, until this program is killed; the devices go
//! with it. Needs root, `ip` and `nsenter`.
#![expect(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Packets on their way in one direction. More are dropped by waiting, as a full router would.
const ON_THE_WAY: usize = 65_536;
/// Larger than any packet of a device with the usual MTU.
const PACKET_BYTES: usize = 2048;
/// Both ends of the link. A benchmark has one link at a time.
const HERE: &str = "10.99.0.1";
const THERE: &str = "10.99.0.2";

fn main() -> Result<()> {
    // cargo bench adds it.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [process, rtt] = &arguments[..] else {
        println!("usage: latency CONTAINER-PID RTT-MS; benches/run gives both");
        return Ok(());
    };
    let half = Duration::from_micros(rtt.parse::<u64>()? * 500);
    let (here, there) = (device("windlass-here")?, device("windlass-there")?);
    run(&["ip", "link", "set", "windlass-there", "netns", process])?;
    run(&["ip", "addr", "add", HERE, "peer", THERE, "dev", "windlass-here"])?;
    run(&["ip", "link", "set", "windlass-here", "up"])?;
    let inside = |words: &[&str]| run(&[&["nsenter", "--net", "--target", process], words].concat());
    inside(&["ip", "addr", "add", THERE, "peer", HERE, "dev", "windlass-there"])?;
    inside(&["ip", "link", "set", "windlass-there", "up"])?;
    let back = direction(there.try_clone()?, here.try_clone()?, half);
    direction(here, there, half);
    println!("{THERE}");
    back.join().map_err(|_| "a thread failed")?
}

/// Makes a TUN device that lives as long as the file.
fn device(name: &str) -> Result<File> {
    /// `struct ifreq`, with the part of its union that is used here.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }
    const TUNSETIFF: rustix::ioctl::Opcode = 0x4004_54ca;
    /// IFF_TUN and IFF_NO_PI: bare IP packets.
    const TUN: u16 = 0x1001;
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; 16], flags: TUN, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: TUNSETIFF reads one `struct ifreq`, which `Request` is laid out as.
    unsafe {
        rustix::ioctl::ioctl(&file, rustix::ioctl::Setter::<TUNSETIFF, Request>::new(request))?;
    }
    Ok(file)
}

/// Carries packets one way, each after `half`.
fn direction(from: File, to: File, half: Duration) -> thread::JoinHandle<Result<()>> {
    let (sender, packets) = sync_channel(ON_THE_WAY);
    thread::spawn(move || take(from, &sender, half));
    thread::spawn(move || hand_over(to, &packets))
}

fn take(mut from: File, packets: &SyncSender<(Instant, Vec<u8>)>, half: Duration) -> Result<()> {
    let mut buffer = [0; PACKET_BYTES];
    loop {
        let bytes = from.read(&mut buffer)?;
        packets.send((Instant::now() + half, buffer[..bytes].to_vec()))?;
    }
}

fn hand_over(mut to: File, packets: &Receiver<(Instant, Vec<u8>)>) -> Result<()> {
    for (due, packet) in packets {
        #[expect(clippy::disallowed_methods, reason = "being late is what this program is for")]
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down refuses packets; links lose some.
        let _lost = to.write(&packet);
    }
    Ok(())
}

fn run(words: &[&str]) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this program sets up the machine it runs on")]
    let status = Command::new(words[0]).args(&words[1..]).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words.join(" ")).into()) }
}
