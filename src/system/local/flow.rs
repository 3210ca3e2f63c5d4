//! What a process is fed and what becomes of what it says, when those are streams of any length.

use crate::model::event;
use crate::system::Listener;
use crate::system::output::Kept;
use rustix::io::Errno;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::ChildStdin;

/// So much of a stream is in memory at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What a process is still to be fed.
pub struct Feed<'a> {
    pipe: Option<ChildStdin>,
    unsent: Vec<u8>,
    sent: usize,
    more: Option<&'a mut dyn Read>,
}

impl<'a> Feed<'a> {
    /// First `bytes`, then what `more` gives.
    pub fn new(pipe: Option<ChildStdin>, bytes: &[u8], more: Option<&'a mut dyn Read>) -> Self {
        Feed { pipe, unsent: bytes.to_vec(), sent: 0, more }
    }

    /// The pipe, until all is written or nobody wants it.
    pub fn pipe(&self) -> Option<&ChildStdin> {
        self.pipe.as_ref()
    }

    /// Writes what fits without waiting. A process that does not want its input has closed it, which is its right.
    pub fn write(&mut self) -> std::io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.write(&self.unsent[self.sent..]) {
            Ok(n) => self.sent += n,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(_) => {
                self.pipe = None;
                return Ok(());
            }
        }
        if self.sent < self.unsent.len() {
            return Ok(());
        }
        self.refill()
    }

    /// The input's end is reported only here: after it has been read to its end without a failure.
    fn refill(&mut self) -> std::io::Result<()> {
        self.sent = 0;
        self.unsent.clear();
        if let Some(more) = &mut self.more {
            self.unsent.resize(PIECE, 0);
            let n = more.read(&mut self.unsent)?;
            self.unsent.truncate(n);
        }
        if self.unsent.is_empty() {
            self.pipe = None;
        }
        Ok(())
    }

    /// The process has ended. Where it is content, what its stream still has is read all the same: only its end shows
    /// whether what came was right.
    pub fn close(&mut self, content: bool) -> std::io::Result<()> {
        self.pipe = None;
        match self.more.take().filter(|_| content) {
            Some(more) => std::io::copy(more, &mut std::io::sink()).map(drop),
            None => Ok(()),
        }
    }
}

/// One of a process's outputs: kept in part, or passed on whole.
pub struct Stream<'a> {
    /// Until its end.
    pub pipe: Option<OwnedFd>,
    /// Head and tail.
    pub kept: Kept,
    name: event::Stream,
    onward: Option<&'a mut dyn Write>,
}

impl<'a> Stream<'a> {
    /// Keeps `kept` bytes of each end, unless all of it goes `onward`.
    pub fn new(
        name: event::Stream,
        pipe: Option<OwnedFd>,
        kept: usize,
        onward: Option<&'a mut dyn Write>,
    ) -> Self {
        Stream { pipe, kept: Kept::at_most(kept), name, onward }
    }

    /// Whether all of it is wanted: then only its own end is its end.
    pub fn flows(&self) -> bool {
        self.onward.is_some() && self.pipe.is_some()
    }

    /// Takes what is there, a bounded piece of it at once so that time limits are watched meanwhile; whether any was.
    pub fn listen(&mut self, listener: &mut Option<&mut dyn Listener>) -> std::io::Result<bool> {
        let Some(pipe) = &self.pipe else { return Ok(false) };
        let mut chunk = [0; PIECE];
        match rustix::io::read(pipe, &mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(n) => match &mut self.onward {
                Some(onward) => onward.write_all(&chunk[..n])?,
                None => {
                    self.kept.push(&chunk[..n]);
                    listener.iter_mut().for_each(|listener| listener.hear(self.name, &chunk[..n]));
                }
            },
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        }
        Ok(true)
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::Result;
    use crate::model::op::{Answer, Command};
    use crate::system::local::Local;
    use crate::system::{Flow, System};
    use std::io::{self, Read, Write};
    use std::time::Duration;

    fn sh(script: &str) -> Command {
        Command { timeout: Some(Duration::from_secs(60)), ..Command::new(["sh", "-c", script]) }
    }

    fn fed(command: &Command, input: &mut dyn Read) -> Result<Answer> {
        Local::new().stream(command, Flow { input: Some(input), ..Flow::default() })
    }

    /// Takes its time, as a slow connection does.
    struct Slow(u64);

    impl Write for Slow {
        #[expect(clippy::disallowed_methods, reason = "slowness is what this is for")]
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(200));
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_flows_is_whole_however_slowly_it_is_taken() {
        let mut slow = Slow(0);
        // The last pipeful is read long after the process has ended, and a daemon that it left still says something.
        let command = sh("head -c 600000 /dev/zero; (sleep 2; echo late) &");
        let answer =
            Local::new().stream(&command, Flow { output: Some(&mut slow), ..Flow::default() }).unwrap();
        assert_eq!((answer.status, answer.stdout.len(), slow.0), (0, 0, 600_005));
    }

    #[test]
    fn what_follows_standard_input_is_read_to_its_end() {
        let command = Command { stdin: b"first\n".to_vec(), ..sh("read -r line; echo \"$line $(wc -c)\"") };
        let answer = fed(&command, &mut io::repeat(7).take(1_000_000)).unwrap();
        assert_eq!(answer.text(), "first 1000000");
        // It is not used: it is read all the same, since its end shows whether it was right.
        let mut left = io::repeat(7).take(1_000_000);
        assert!(fed(&sh("exit 0"), &mut left).unwrap().ok());
        assert_eq!(left.limit(), 0);
    }

    /// Breaks off.
    struct Broken(io::Take<io::Repeat>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the controller went away")),
                n => Ok(n),
            }
        }
    }

    #[test]
    fn who_is_fed_never_takes_a_part_for_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let command = sh(&format!("cat >/dev/null; touch {}", done.display()));
        let failure = fed(&command, &mut Broken(io::repeat(7).take(300_000))).unwrap_err();
        assert!(failure.to_string().contains("the controller went away"), "{failure}");
        assert!(!done.exists());
        assert!(
            fed(&sh("exit 0"), &mut Broken(io::repeat(7).take(300_000))).is_err(),
            "nor when it does not read it"
        );
    }

    #[test]
    fn who_is_not_listened_to_is_ended() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("nobody takes it"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let failure = Local::new()
            .stream(&sh("yes"), Flow { output: Some(&mut Closed), ..Flow::default() })
            .unwrap_err();
        assert!(failure.to_string().contains("nobody takes it"), "{failure}");
    }
}
