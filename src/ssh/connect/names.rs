//! From names to addresses. Each name of a run is asked for once, by a thread of its own that no other work waits for; what
//! is known of it is kept.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// Lookups under way at once, those included that were given up: the system's resolver cannot be stopped, and tries
/// a server that says nothing for 10 to 30 s.
const LOOKUPS: usize = 1024;
/// The system's resolver and the modules that it loads need less than this. All lookups together then fit into 256 MiB of
/// address space, and into a tenth of that of memory.
const STACK_BYTES: usize = 256 * 1024;
/// The addresses of a name are used for so long. A host that has moved is found again within a run.
const ADDRESSES_KEPT: Duration = Duration::from_secs(60);
/// A resolver that did not answer is asked again after so long.
const SILENCE_KEPT: Duration = Duration::from_secs(30);

/// Asks the system for the addresses of a name.
type Ask = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The names of a run.
pub struct Names {
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
    lookups: Arc<Semaphore>,
    ask: Arc<Ask>,
}

/// What is known of one name. Held while it is asked for: who wants the same name waits for the same answer.
#[derive(Default)]
struct Known {
    addresses: Option<(Instant, Vec<IpAddr>)>,
    /// Why there are none, and until when that is believed; for the whole run when that is `None`.
    failure: Option<(Option<Instant>, io::ErrorKind, String)>,
}

/// The addresses of a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub addresses: Vec<IpAddr>,
    /// How long they were looked up, without the wait for other lookups.
    pub took: Duration,
}

impl Default for Names {
    fn default() -> Self {
        Names::answered_by(Arc::new(|name| {
            Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect())
        }))
    }
}

impl Names {
    fn answered_by(ask: Arc<Ask>) -> Self {
        Names { known: Mutex::default(), lookups: Arc::new(Semaphore::new(LOOKUPS)), ask }
    }

    /// The addresses of a name, or why there are none within this time. A wait for other lookups does not count.
    pub async fn addresses(&self, name: &str, within: Duration) -> io::Result<Found> {
        let at_once = |addresses| Found { addresses, took: Duration::ZERO };
        if let Ok(address) = name.parse() {
            return Ok(at_once(vec![address]));
        }
        let known = self.about(name);
        let mut known = known.lock().await;
        if let Some(answer) = known.answer(Instant::now()) {
            return answer.map(at_once);
        }
        // The semaphore is never closed.
        let permit = self.lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
        let before = Instant::now();
        let answer = match timeout(within, self.lookup(name, permit)?).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(io::Error::other("the lookup of its name failed")),
            Err(_) => Err(silent(within)),
        };
        let addresses = known.learn(answer, Instant::now())?;
        Ok(Found { addresses, took: before.elapsed() })
    }

    fn about(&self, name: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.to_string()).or_default().clone()
    }

    /// Asks by a thread, which ends by itself when no one waits any more.
    fn lookup(
        &self,
        name: &str,
        permit: OwnedSemaphorePermit,
    ) -> io::Result<oneshot::Receiver<io::Result<Vec<IpAddr>>>> {
        let (sender, receiver) = oneshot::channel();
        let (ask, name) = (self.ask.clone(), name.to_string());
        let asking = move || {
            // Who asked may have gone.
            let _gone = sender.send(ask(&name));
            drop(permit);
        };
        std::thread::Builder::new().name("lookup".to_string()).stack_size(STACK_BYTES).spawn(asking)?;
        Ok(receiver)
    }
}

impl Known {
    /// What is still believed.
    fn answer(&self, now: Instant) -> Option<io::Result<Vec<IpAddr>>> {
        match (&self.addresses, &self.failure) {
            (Some((when, addresses)), _) if now < *when + ADDRESSES_KEPT => Some(Ok(addresses.clone())),
            (None, Some((until, kind, why))) if until.is_none_or(|until| now < until) => {
                Some(Err(io::Error::new(*kind, why.clone())))
            }
            _ => None,
        }
    }

    /// A name that has had addresses in this run is asked for again after a failure: the host may be rebooting.
    fn learn(&mut self, answer: io::Result<Vec<IpAddr>>, now: Instant) -> io::Result<Vec<IpAddr>> {
        match &answer {
            Ok(addresses) => self.addresses = Some((now, addresses.clone())),
            Err(why) => {
                let until = is_temporary(why).then(|| now + SILENCE_KEPT);
                self.failure = Some((until, why.kind(), why.to_string()));
            }
        }
        answer
    }
}

fn silent(within: Duration) -> io::Error {
    let why = format!("its name was not resolved within {} s", within.as_secs_f64());
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// Whether the resolver said nothing about the name: EAI_AGAIN in the words of glibc and of musl.
fn is_temporary(why: &io::Error) -> bool {
    let text = why.to_string();
    why.kind() == io::ErrorKind::TimedOut || text.contains("Temporary failure") || text.contains("Try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOON: Duration = Duration::from_secs(60);

    fn counted(
        answer: impl Fn(&str, usize) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> (Arc<Names>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let ask = move |name: &str| answer(name, count.fetch_add(1, Ordering::SeqCst));
        (Arc::new(Names::answered_by(Arc::new(ask))), asked)
    }

    fn unknown() -> io::Error {
        io::Error::other("failed to lookup address information: Name or service not known")
    }

    fn address() -> Vec<IpAddr> {
        vec![IpAddr::from([192, 0, 2, 1])]
    }

    #[tokio::test]
    async fn all_who_want_a_name_at_once_wait_for_one_lookup() {
        let (names, asked) = counted(|_, _| Ok(address()));
        let waiting = (0..100).map(|_| {
            let names = names.clone();
            tokio::spawn(async move { names.addresses("web", SOON).await.unwrap().addresses })
        });
        for found in waiting.collect::<Vec<_>>() {
            assert_eq!(found.await.unwrap(), address());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_address_is_no_name() {
        let (names, asked) = counted(|_, _| Err(unknown()));
        assert_eq!(names.addresses("192.0.2.1", SOON).await.unwrap().addresses, address());
        assert!(names.addresses("2001:db8::1", SOON).await.unwrap().addresses[0].is_ipv6());
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_asked_for_once_in_a_run() {
        let (names, asked) = counted(|_, _| Err(unknown()));
        for _ in 0..3 {
            assert!(names.addresses("lost", SOON).await.unwrap_err().to_string().contains("not known"));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_a_resolver_did_not_answer_is_believed_for_a_while_and_a_name_that_had_addresses_never() {
        let start = Instant::now();
        let mut known = Known::default();
        assert!(known.answer(start).is_none());
        known.learn(Err(silent(SOON)), start).unwrap_err();
        assert!(known.answer(start).unwrap().is_err());
        assert!(known.answer(start + SILENCE_KEPT).is_none());
        known.learn(Ok(address()), start).unwrap();
        assert!(known.answer(start).unwrap().is_ok());
        let later = start + ADDRESSES_KEPT;
        assert!(known.answer(later).is_none());
        known.learn(Err(unknown()), later).unwrap_err();
        assert!(known.answer(later).is_none());
    }

    #[tokio::test]
    async fn a_resolver_that_says_nothing_costs_one_deadline_however_many_names_wait() {
        let (ended, gate) = std::sync::mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let (names, _) = counted(move |_, _| {
            // Until the test is over.
            let _over = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Err(unknown())
        });
        let started = Instant::now();
        let waiting = (0..200).map(|number| {
            let names = names.clone();
            let name = format!("web{number}");
            tokio::spawn(async move { names.addresses(&name, Duration::from_millis(200)).await.unwrap_err() })
        });
        for failure in waiting.collect::<Vec<_>>() {
            assert_eq!(failure.await.unwrap().to_string(), "its name was not resolved within 0.2 s");
        }
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        drop(ended);
    }
}
