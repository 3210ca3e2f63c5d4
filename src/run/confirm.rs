//! Logs in anew when a host asks whether a risky change may stay: a connection of its own, from the key exchange to a
//! command that runs as the user that the job runs as.

use super::output;
use crate::model::event::Order;
use crate::model::{Failure, Result};
use crate::ssh::ship::{self, Become};
use crate::ssh::{self, Class, Connection, Shared, Target, Writer};
use crate::wire;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

/// What the new connection has to say.
const WORDS: &str = "windlass-confirmed";

/// A login that does not work at first is tried again until so much time has passed: what listens may be starting.
const TRY_FOR: Duration = Duration::from_secs(12);

/// Before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the host answers and refuses, it is tried so many times: sshd holds failures against an address for a while.
const REFUSALS: u32 = 2;

/// The answer gets so long before the host stops waiting for it.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// How a host is reached and who one becomes there. A change may move its port.
pub struct Route {
    target: Target,
    becoming: Option<Become>,
    password: Option<String>,
}

/// A question of a host.
pub struct Question {
    pub request: u32,
    pub ports: Vec<u16>,
    pub within: Duration,
}

impl Route {
    /// The route to `target`.
    pub fn to(target: Target, becoming: Option<Become>, password: Option<String>) -> Self {
        Route { target, becoming, password }
    }

    /// Whom the work becomes over a connection, and the password for it. Whoever is that user already needs neither.
    pub fn becoming(&self, connection: &Connection) -> (Option<Become>, Option<String>) {
        let already = |becoming: &&Become| becoming.user != connection.worked().user;
        let becoming = self.becoming.as_ref().filter(already).cloned();
        let password = self.password.clone().filter(|_| becoming.is_some());
        (becoming, password)
    }

    /// The host where sshd listens on these ports; where it was reached last when there are none. As whichever of its users
    /// gets in: a change may have locked the one out whom the work began with, and that is fine as long as another one
    /// can go on with it.
    pub fn target_at(&self, shared: &Shared, ports: &[u16]) -> Target {
        let target = shared.latest(&self.target);
        let port = ports.iter().find(|port| **port == target.port).or(ports.first()).copied();
        let port = port.unwrap_or(target.port);
        // It is the same host, so that its key must be the one that is known.
        let known_port = Some(target.known_port.unwrap_or(target.port));
        Target { port, known_port, ..target }
    }
}

/// Finds the answer to a question and gives it.
pub async fn answer(writer: Arc<Mutex<Writer>>, route: Arc<Route>, shared: Arc<Shared>, question: Question) {
    let target = route.target_at(&shared, &question.ports);
    let within = question.within.saturating_sub(TO_ANSWER).min(TRY_FOR);
    let until = Instant::now() + within;
    let refusal = match try_until(&route, &target, &shared, until).await {
        Ok(()) => {
            shared.moved(target);
            None
        }
        Err(failure) => Some(format!("{}: {}", failure.doing, failure.why)),
    };
    if let Ok(frame) = wire::frame(&Order::Confirmed { request: question.request, refusal }) {
        // When the change has cut this connection, the host takes it back without an answer.
        let _cut = writer.lock().await.write(Bytes::from(frame)).await;
    }
}

async fn try_until(route: &Route, target: &Target, shared: &Shared, until: Instant) -> Result<()> {
    for tries in 1.. {
        let (failure, firm) = match timeout_at(until, once(route, target, shared)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(tried)) => tried,
            Err(_) => {
                let doing = format!("log in anew to {} port {}", target.address, target.port);
                (Failure::new(doing, "no answer in time"), true)
            }
        };
        if (firm && tries >= REFUSALS) || Instant::now() + PAUSE >= until {
            return Err(failure);
        }
        sleep(PAUSE).await;
    }
    unreachable!("the tries end with the time")
}

/// One login and one command. Told with a failure: whether the host has answered, so that more tries help little.
async fn once(route: &Route, target: &Target, shared: &Shared) -> Result<(), (Failure, bool)> {
    let connected = ssh::connect(target, shared).await;
    let connection = connected.map_err(|error| (error.failure, error.class != Class::Unreachable))?;
    let said = run(&connection, route).await;
    connection.disconnect().await;
    said.map_err(|failure| (failure, true))
}

async fn run(connection: &Connection, route: &Route) -> Result<()> {
    let (becoming, password) = route.becoming(connection);
    let command = ship::line(&format!("echo {WORDS}"), becoming.as_ref());
    let said = output::of_user(connection, becoming.as_ref(), password.as_deref(), &command).await?;
    if said.lines().any(|line| line.trim() == WORDS) {
        return Ok(());
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(Failure::new("run a command over the new connection", last.trim()))
}
