//! A host that means harm: an SSH server in this process that answers a job as no agent would. Each row of the table is one
//! attack; what it may cost the controller, and how the host then ends, is the same for all.

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, Msg, Session};
use russh::{ChannelId, server::Handle};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use windlass::model::arg::Arg;
use windlass::model::backup::Said;
use windlass::model::bounds;
use windlass::model::digest::Digest;
use windlass::model::event::{Event, Hello, Order, Printed, StepEnded, Stream, UndoScope};
use windlass::model::finding::{Finding, Verdict};
use windlass::model::host::HostKeyPolicy;
use windlass::model::job::{Envelope, HostWork, JobStep, Mode, OnFailure, OutputWanted, Resume, Streaming};
use windlass::model::outcome::{HostOutcome, StepOutcome};
use windlass::model::run::{HostEvent, RunEventKind};
use windlass::playbook::plays::Stage;
use windlass::record::Lines;
use windlass::redact::Redactor;
use windlass::render::contents::Contents;
use windlass::run::tools::{Destinations, Tools};
use windlass::run::{self, EventSender, Interrupt, Options, Task, Work};
use windlass::ssh::{Shared, target::Target};
use windlass::wire::{self, Frames};

/// What an attack may take of the controller's memory, in KiB. The server of the attack lives in the same process, so that
/// what it holds is counted as well.
pub const MEMORY_KIB: u64 = 64 * 1024;

/// No attack holds a host longer than this.
pub const SOON: Duration = Duration::from_secs(60);

/// A host in this process waits no longer than this for what the controller sends.
const ANSWER: Duration = Duration::from_secs(20);

/// What the controller has sent to a host after its job.
pub type Orders = Arc<Mutex<Vec<Order>>>;

/// Sends what it likes, then closes.
pub struct Attacker {
    handle: Handle,
    channel: ChannelId,
    nonce: String,
    orders: Orders,
}

impl Attacker {
    pub async fn raw(&self, bytes: Vec<u8>) -> bool {
        for piece in bytes.chunks(32 * 1024) {
            if self.handle.data(self.channel, piece.to_vec()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// What a host that means well does: it asks, waits for the answer, and ends.
    pub async fn ask(&self, event: Event) {
        self.say(event).await;
        let began = Instant::now();
        while self.orders.lock().unwrap().is_empty() && began.elapsed() < ANSWER {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let is_answered = !self.orders.lock().unwrap().is_empty();
        if is_answered {
            self.finish().await;
        }
    }

    pub async fn say(&self, event: Event) -> bool {
        self.raw(wire::frame(&event).unwrap()).await
    }

    pub async fn finish(&self) {
        let nonce = self.nonce.clone();
        self.say(Event::Finished { nonce, outcome: HostOutcome::Ok, failure: None }).await;
    }

    pub async fn many(&self, count: usize, event: impl Fn(usize) -> Event) {
        for number in 0..count {
            if !self.say(event(number)).await {
                return;
            }
        }
        self.finish().await;
    }

    /// A frame of bytes that no agent would make.
    async fn frame(&self, body: Vec<u8>) {
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(body);
        self.raw(bytes).await;
        self.finish().await;
    }

    async fn attack(&self, name: &str) {
        match name {
            "a frame full of nothing" => {
                let mut body = b"\x81\xaastep_ended\xdd\x00\xff\xff\xf0".to_vec();
                body.resize(wire::EVENT_LIMIT, 0xc0);
                self.frame(body).await;
            }
            "a value that is too deep" => {
                let nested = (0..200).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
                let finding = Finding::new("g", "w", Verdict::Pass, "s").detail("x", nested);
                self.say(Event::StepEnded(StepEnded { findings: vec![finding], ..step(0) })).await;
                self.finish().await;
            }
            "a frame that is too long" => {
                self.raw(u32::MAX.to_be_bytes().to_vec()).await;
                self.finish().await;
            }
            "no frame at all" => self.frame(vec![0xc1; 100_000]).await,
            "large steps" => {
                let diff = || Some("x".repeat(3 << 20));
                self.many(100, |_| Event::StepEnded(StepEnded { diff: diff(), ..step(0) })).await;
            }
            "many steps" => self.many(50_000, |number| Event::StepEnded(step(number as u32))).await,
            "long times" => {
                let forever = StepEnded { took: Duration::MAX, tries: u32::MAX, ..step(u32::MAX) };
                self.many(3, |_| Event::StepEnded(forever.clone())).await;
            }
            "many notes" => self.many(50_000, |_| Event::Note("n".repeat(1000))).await,
            "many requests for files" => {
                let digest = Digest::of(b"nothing that there is");
                let need = |number| Event::Need { request: number as u32, digests: vec![digest.clone(); 10] };
                self.many(20_000, need).await;
            }
            "many logins" => {
                let ports = vec![1; 1000];
                let within = Duration::MAX;
                self.many(20_000, |number| Event::Confirm {
                    request: number as u32,
                    ports: ports.clone(),
                    within,
                })
                .await;
            }
            "a reboot that no step asks for" => {
                let within = Duration::MAX;
                let resume = Resume { step: 0, boot_id: "x".into(), within, ..Resume::default() };
                self.say(Event::Booting(Box::new(resume))).await;
            }
            "a file that is not fetched" => {
                let fetched =
                    |to: &str| Event::Fetched { to: to.into(), size: 4, chunk: b"evil".to_vec(), last: true };
                self.say(fetched(".git/config")).await;
                self.finish().await;
            }
            "a backup that no step keeps" => {
                self.many(20_000, |number| Event::Backup {
                    request: number as u32,
                    step: 0,
                    said: Said::Begin,
                })
                .await;
            }
            "another's verdict" => {
                let nonce = "guessed".to_string();
                self.say(Event::Finished { nonce, outcome: HostOutcome::Ok, failure: None }).await;
            }
            "long names of its boot" => {
                let boot_id = "b".repeat(8 << 20);
                let hello = || Hello { version: wire::VERSION, boot_id: boot_id.clone(), ..Hello::default() };
                self.many(50, |_| Event::Hello(hello())).await;
            }
            "a run that it was not asked for" => {
                let run = "20260101T000000Z-abcd".to_string().try_into().unwrap_or_default();
                self.say(Event::Settled { run, outcome: Some(HostOutcome::Ok), steps: Vec::new() }).await;
                self.finish().await;
            }
            "much output in small pieces" => {
                let chunk =
                    |number: usize| if number.is_multiple_of(2) { b"\n".to_vec() } else { Vec::new() };
                let (step, stream, left_out) = (0, Stream::Stdout, u64::MAX);
                self.many(30_000, |number| {
                    Event::Printed(Printed { step, stream, left_out, chunk: chunk(number) })
                })
                .await;
            }
            "nothing" => self.finish().await,
            other => super::hostile_values::attack(self, other).await,
        }
    }
}

pub fn true_step() -> JobStep {
    let keys = serde_json::json!({ "argv": ["true"] });
    JobStep { kind: "command".into(), args: Some(Arg::Value(keys)), ..JobStep::default() }
}

pub fn step(step: u32) -> StepEnded {
    StepEnded {
        undo: UndoScope { changes: u32::MAX, undoable: u32::MAX, unknown: u32::MAX, not: Vec::new() },
        ..StepEnded::new(step, "step".into(), StepOutcome::Ok)
    }
}

/// One connection to the attacker.
struct Connection {
    name: &'static str,
    frames: HashMap<ChannelId, Frames>,
    orders: Orders,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: server::VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: server::PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: russh::Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        self.frames.insert(id, Frames::default());
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let Some(frames) = self.frames.get_mut(&id) else { return Ok(()) };
        frames.push(data);
        let job = match frames.take::<Order>() {
            Ok(Some(Order::Job(job))) => job,
            Ok(Some(order)) => {
                self.orders.lock().unwrap().push(order);
                return Ok(());
            }
            Ok(None) | Err(_) => return Ok(()),
        };
        let (handle, name, orders) = (session.handle(), self.name, self.orders.clone());
        tokio::spawn(async move {
            let attacker = Attacker { handle, channel: id, nonce: job.envelope.nonce.clone(), orders };
            let hello = Hello { version: wire::VERSION, system: "agent".into(), ..Hello::default() };
            attacker.raw(wire::MARKER.to_vec()).await;
            attacker.say(Event::Hello(hello)).await;
            attacker.attack(name).await;
            let _closed = attacker.handle.close(id).await;
        });
        Ok(())
    }
}

async fn serve(name: &'static str, folder: &Path, orders: &Orders) -> Target {
    let key = || PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
    let (host, id) = (key(), folder.join("id"));
    if !id.exists() {
        key().write_openssh_file(&id, LineEnding::LF).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let known_hosts = folder.join(format!("known_hosts_{port}"));
    let line = format!("[127.0.0.1]:{port} {}\n", host.public_key().to_openssh().unwrap());
    std::fs::write(&known_hosts, line).unwrap();
    let config = Arc::new(server::Config { keys: vec![host], ..server::Config::default() });
    let orders = orders.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(config.clone(), stream, name, orders.clone()));
        }
    });
    Target {
        identities: vec![id],
        identities_named: true,
        known_hosts: vec![known_hosts],
        policy: HostKeyPolicy::Strict,
        keepalive: None,
        ..Target::new(name, "127.0.0.1", port, "deploy")
    }
}

async fn connection(config: Arc<server::Config>, stream: TcpStream, name: &'static str, orders: Orders) {
    let handler = Connection { name, frames: HashMap::new(), orders };
    if let Ok(session) = server::run_stream(config, stream, handler).await {
        let _ended = session.await;
    }
}

/// What came of one attack, and of a host beside it that means well.
pub struct Outcome {
    pub attacker: HostOutcome,
    pub other: HostOutcome,
    pub why: String,
    steps: Vec<StepEnded>,
    notes: usize,
    pub took: Duration,
    pub grew_kib: u64,
    /// What the other host was sent after its job.
    pub orders: Vec<Order>,
}

/// Two hosts with their work, of which one attacks.
pub struct Scene {
    /// What the attacker does.
    pub attack: &'static str,
    /// What the other host does.
    pub other: &'static str,
    /// The work of both, by the host's name.
    pub work: fn(&str) -> HostWork,
    pub stages: Vec<Stage>,
}

impl Scene {
    fn of(attack: &'static str) -> Self {
        let work = |_: &str| HostWork { mode: Mode::Apply, steps: vec![true_step()], ..HostWork::default() };
        Scene { attack, other: "nothing", work, stages: Vec::new() }
    }
}

pub async fn attacked(scene: Scene, folder: &Path) -> Outcome {
    let options = Options {
        forks: 8,
        serial: Vec::new(),
        max_failures: None,
        on_failure: OnFailure::default(),
        stages: scene.stages,
    };
    let destinations = Destinations { fetched: folder.join("fetched"), stores: Arc::default() };
    let output = OutputWanted { streaming: Streaming::Live, ..OutputWanted::default() };
    let envelope = |host: &str| Envelope {
        host: host.into(),
        nonce: format!("nonce of {host}"),
        output,
        ..Envelope::default()
    };
    let work = |host: &str, target| Work {
        host: host.into(),
        target,
        becoming: None,
        password: None,
        task: Task::Job(Box::new(envelope(host).job((scene.work)(host))), Contents::default()),
    };
    let orders = Orders::default();
    let all = vec![
        work("attacker", serve(scene.attack, folder, &Orders::default()).await),
        work("other", serve(scene.other, folder, &orders).await),
    ];
    let (sender, mut events) = mpsc::channel(run::EVENTS_WAITING);
    let (_urge, interrupt) = watch::channel(Interrupt::None);
    let (before, began) = (peak_kib(), Instant::now());
    let wanted = output;
    let running = tokio::spawn(async move {
        let events = EventSender::new(sender);
        let tools = Tools::new(Shared::new(), events, interrupt, destinations);
        let tools = Tools { output: wanted, ..tools };
        run::run(all, &options, tools).await
    });
    let (mut steps, mut notes, mut why) = (Vec::new(), 0, String::new());
    let (redactor, mut lines) = (Redactor::new(["hunter2-hunter2"]), Lines::default());
    while let Some((event, _room)) = events.recv().await {
        // As a run takes them.
        for event in lines.take(&redactor, event) {
            match (*event).clone().what {
                RunEventKind::Host { event: HostEvent::Said(Event::StepEnded(step)), .. } => steps.push(step),
                RunEventKind::Host { event: HostEvent::Said(Event::Note(_)), .. } => notes += 1,
                RunEventKind::Host { host, event: HostEvent::Ended { failure: Some(failure), .. } }
                    if host == "attacker" =>
                {
                    why = failure.to_string();
                }
                _ => {}
            }
        }
    }
    let outcomes = running.await.unwrap();
    let orders = orders.lock().unwrap().clone();
    Outcome {
        attacker: outcomes["attacker"],
        other: outcomes["other"],
        why,
        steps,
        notes,
        took: began.elapsed(),
        grew_kib: peak_kib().saturating_sub(before),
        orders,
    }
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attack_harms_the_controller_or_another_host() {
    let folder = tempfile::tempdir().unwrap();
    // The first run costs what every run costs.
    attacked(Scene::of("nothing"), folder.path()).await;
    let mut lost = Vec::new();
    for (name, wanted, why) in [
        ("nothing", HostOutcome::Ok, ""),
        ("a frame full of nothing", HostOutcome::Unknown, "more than 200000 values"),
        ("a value that is too deep", HostOutcome::Unknown, "more than 64 deep"),
        ("a frame that is too long", HostOutcome::Unknown, "16777216 is the limit"),
        ("no frame at all", HostOutcome::Unknown, "decode a frame"),
        ("large steps", HostOutcome::Ok, ""),
        ("many steps", HostOutcome::Ok, ""),
        ("long times", HostOutcome::Ok, ""),
        ("many notes", HostOutcome::Ok, ""),
        ("many requests for files", HostOutcome::Ok, ""),
        ("many logins", HostOutcome::Ok, ""),
        ("a reboot that no step asks for", HostOutcome::Unknown, "no step of its job boots it"),
        ("a file that is not fetched", HostOutcome::Unknown, "no fetch step of its job gives the name"),
        ("a backup that no step keeps", HostOutcome::Ok, ""),
        ("long names of its boot", HostOutcome::Ok, ""),
        ("a run that it was not asked for", HostOutcome::Unknown, "it was not asked for run"),
        ("much output in small pieces", HostOutcome::Ok, ""),
        ("another's verdict", HostOutcome::Unknown, "it is not the verdict on this job"),
    ] {
        let outcome = attacked(Scene::of(name), folder.path()).await;
        println!("{name}: {} in {:?}, {} KiB", outcome.attacker.as_str(), outcome.took, outcome.grew_kib);
        let kept: usize = outcome.steps.iter().map(bounds::size).sum();
        let fine = [
            (outcome.attacker == wanted && outcome.why.contains(why), "its verdict"),
            (outcome.other == HostOutcome::Ok, "the other host"),
            (outcome.took < SOON, "the time"),
            (outcome.grew_kib <= MEMORY_KIB, "the memory"),
            (outcome.notes <= 1_000, "the notes"),
            (kept <= 32 << 20, "what is kept"),
        ];
        for (_, what) in fine.iter().filter(|(fine, _)| !fine) {
            let (ended, why, grew) = (outcome.attacker.as_str(), &outcome.why, outcome.grew_kib);
            lost.push(format!(
                "{name}: {what}: {ended} {why:?}, {grew} KiB, {kept} bytes, {:?}",
                outcome.took
            ));
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert!(!folder.path().join("fetched").exists(), "a file was planted");
}
