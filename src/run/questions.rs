//! What a host asks for while it works: files, and new logins. One of each is answered at a time, so that a host that asks
//! without end keeps nothing busy but its own connection.

use super::assets;
use super::confirm::{self, Question, Route};
use super::tools::Tools;
use crate::model::digest::Digest;
use crate::model::event::Order;
use crate::model::{Failure, Result};
use crate::render::contents::Contents;
use crate::report::transfers::Transfers;
use crate::ssh::Writer;
use crate::wire;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// More logins than this are not made for one job, however many of its changes ask for one.
const LOGINS: u32 = 256;

/// Ports that a change may have moved sshd to.
const PORTS: usize = 16;

/// The answers to one host's questions.
pub struct Questions {
    /// The newest request for files.
    wanted: Arc<AtomicU32>,
    files: watch::Sender<(u32, Vec<Digest>)>,
    sending: JoinHandle<()>,
    login: Option<JoinHandle<()>>,
    logins: u32,
    once: Option<JoinHandle<()>>,
    play: Option<JoinHandle<()>>,
    consent: Option<JoinHandle<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Questions {
    /// Answers over `writer`, with the job's files; `host` is what the progress calls it.
    pub fn new(writer: Arc<Mutex<Writer>>, contents: Contents, host: String, transfers: Transfers) -> Self {
        let wanted = Arc::new(AtomicU32::new(0));
        let (files, asked) = watch::channel((0, Vec::new()));
        let files_of = Files { contents, host, transfers };
        let sending = tokio::spawn(files_of.send_in_turn(writer, asked, wanted.clone()));
        Questions {
            wanted,
            files,
            sending,
            login: None,
            logins: 0,
            once: None,
            play: None,
            consent: None,
            serving: None,
        }
    }

    /// Sends these files, as soon as those of the request before are ended, which this one ends.
    pub fn files(&mut self, request: u32, digests: Vec<Digest>) {
        self.wanted.store(request, Ordering::SeqCst);
        self.files.send_replace((request, digests));
    }

    /// Logs in anew, unless it is being done already.
    pub fn login(
        &mut self,
        writer: &Arc<Mutex<Writer>>,
        route: &Arc<Route>,
        tools: &Tools,
        mut question: Question,
    ) -> Result<()> {
        if self.login.as_ref().is_some_and(|login| !login.is_finished()) {
            return Ok(());
        }
        self.logins += 1;
        if self.logins > LOGINS {
            let why = format!("it asks for more than {LOGINS} logins");
            return Err(Failure::new("confirm a change", why));
        }
        question.ports.truncate(PORTS);
        let answer = confirm::answer(writer.clone(), route.clone(), tools.shared.clone(), question);
        self.login = Some(tokio::spawn(answer));
        Ok(())
    }

    /// Says how the step ended that another host runs, for all or for this one, as soon as that is known. The question
    /// before it is given up.
    pub fn end_of(
        &mut self,
        writer: &Arc<Mutex<Writer>>,
        tools: &Tools,
        host: &str,
        step: u32,
        for_all: bool,
    ) {
        let (tools, host) = (tools.clone(), host.to_string());
        let ended =
            async move { Order::RanOnce { step, ended: Box::new(tools.end_of(&host, step, for_all).await) } };
        answer_later(&mut self.once, writer, ended);
    }

    /// Says when the hosts are past the step that have this one run it. The question before it is given up.
    pub fn passed(&mut self, writer: &Arc<Mutex<Writer>>, tools: &Tools, host: &str, step: u32) {
        let (tools, host) = (tools.clone(), host.to_string());
        let passed = async move {
            tools.passed(&host, step).await;
            Order::Passed { step }
        };
        answer_later(&mut self.once, writer, passed);
    }

    /// Says when the host's next play starts. The question before it is given up.
    pub fn play(&mut self, writer: &Arc<Mutex<Writer>>, tools: &Tools, host: &str, play: u32) {
        let (plays, host) = (tools.plays.clone(), host.to_string());
        let opened = async move { Order::Play { play, start: Box::new(plays.opened(&host, play).await) } };
        answer_later(&mut self.play, writer, opened);
    }

    /// Gives the host the steps of others from now on.
    pub fn serve(&mut self, writer: &Arc<Mutex<Writer>>, tools: &Tools, host: &str) {
        let (board, writer, host) = (tools.delegations.clone(), writer.clone(), host.to_string());
        board.begins_anew(&host);
        self.serving = Some(tokio::spawn(async move {
            loop {
                let step = board.next(&host).await;
                send(&writer, &Order::Step(Box::new(step))).await;
            }
        }));
    }

    /// Says whether a step runs, as soon as the person has answered. The question before it is given up.
    pub fn consent(
        &mut self,
        writer: &Arc<Mutex<Writer>>,
        tools: &Tools,
        host: &str,
        step: u32,
        name: String,
    ) {
        let (board, host) = (tools.consent.clone(), host.to_string());
        board.reached(&host, step, name);
        let answer = async move { Order::Consent { step, runs: board.answered(&host, step).await } };
        answer_later(&mut self.consent, writer, answer);
    }
}

/// Sends the host an order as soon as it is known, and gives up the one of the same kind before it.
fn answer_later(
    before: &mut Option<JoinHandle<()>>,
    writer: &Arc<Mutex<Writer>>,
    order: impl Future<Output = Order> + Send + 'static,
) {
    if let Some(before) = before.take() {
        before.abort();
    }
    let writer = writer.clone();
    *before = Some(tokio::spawn(async move { send(&writer, &order.await).await }));
}

async fn send(writer: &Mutex<Writer>, order: &Order) {
    if let Ok(frame) = wire::frame(order) {
        // A host that is gone needs no answer.
        let _gone = writer.lock().await.write(Bytes::from(frame)).await;
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        self.sending.abort();
        self.login
            .iter()
            .chain(&self.once)
            .chain(&self.play)
            .chain(&self.consent)
            .chain(&self.serving)
            .for_each(JoinHandle::abort);
    }
}

/// The files of one host's job.
struct Files {
    contents: Contents,
    host: String,
    transfers: Transfers,
}

impl Files {
    async fn send_in_turn(
        self,
        writer: Arc<Mutex<Writer>>,
        mut asked: watch::Receiver<(u32, Vec<Digest>)>,
        wanted: Arc<AtomicU32>,
    ) {
        while asked.changed().await.is_ok() {
            let (request, digests) = asked.borrow_and_update().clone();
            if !digests.is_empty() {
                let contents = self.contents.clone();
                let transfer = self.transfers.start(&self.host, assets::size(&contents, &digests));
                assets::send(writer.clone(), contents, request, digests, wanted.clone(), transfer).await;
            }
        }
    }
}
