//! What the controller says of other hosts: answers that the engine waits for, and steps that it runs for them.

use super::STOP_CHECK;
use crate::model::delegation::{Awaited, DelegatedStep, PlayPlace, Reply, due};
use std::cell::RefCell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

/// As it comes in.
pub enum News {
    /// The answer to a question.
    Answer(Awaited, Reply),
    /// A step of another host.
    Step(Box<DelegatedStep>),
}

/// What has come in and is not used up. The controller sends no more than one step for each place at a time, so that there
/// are no more of them than the playbook has steps.
pub struct OfOthers {
    news: Receiver<News>,
    early: RefCell<Vec<DelegatedStep>>,
}

impl OfOthers {
    /// Nothing has come in yet.
    pub fn new(news: Receiver<News>) -> Self {
        OfOthers { news, early: RefCell::default() }
    }

    /// The step that is run first at this place. An answer that has come is one that is not waited for.
    pub fn due(&self, place: PlayPlace) -> Option<Box<DelegatedStep>> {
        while let Ok(news) = self.news.try_recv() {
            self.keep(news);
        }
        self.take(place)
    }

    /// The answer that is waited for, or a step that is due at this place; none when neither comes within [`STOP_CHECK`].
    pub fn next(&self, awaited: Awaited, place: PlayPlace) -> Result<Option<Reply>, RecvTimeoutError> {
        if let Some(step) = self.take(place) {
            return Ok(Some(Reply::Step(step)));
        }
        match self.news.recv_timeout(STOP_CHECK)? {
            News::Answer(of, heard) if of == awaited => Ok(Some(heard)),
            news => {
                self.keep(news);
                Ok(None)
            }
        }
    }

    fn keep(&self, news: News) {
        if let News::Step(step) = news {
            self.early.borrow_mut().push(*step);
        }
    }

    fn take(&self, place: PlayPlace) -> Option<Box<DelegatedStep>> {
        let mut early = self.early.borrow_mut();
        due(&early, place).map(|at| Box::new(early.remove(at)))
    }
}
