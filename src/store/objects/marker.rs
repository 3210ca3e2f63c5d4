//! The marker of a backup that is being taken: it is renewed while its process lives, and lists the uploads that have begun,
//! so that a sweep can end them. Servers keep, and bill, the pieces of an upload until then.

use super::Remote;
use super::runtime::{spawn, wait};
use object_store::GetOptions;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Renewed so often.
const RENEWED: Duration = Duration::from_secs(15 * 60);

/// An upload that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    path: String,
    upload: String,
}

/// The marker, while its backup is being taken.
pub struct Marker {
    remote: Arc<dyn Remote>,
    path: Path,
    uploads: Arc<Mutex<Vec<Begun>>>,
    heart: JoinHandle<()>,
}

impl Marker {
    /// Writes it, and renews it from now on.
    pub fn begin(remote: Arc<dyn Remote>, path: Path) -> object_store::Result<Marker> {
        let uploads: Arc<Mutex<Vec<Begun>>> = Arc::default();
        put(&remote, &path, &[])?;
        let (beating, there, begun) = (remote.clone(), path.clone(), uploads.clone());
        let heart = spawn(async move {
            loop {
                tokio::time::sleep(RENEWED).await;
                let text = text(&locked(&begun));
                // The next time may be luckier; a day without any is what it takes to be swept.
                let _tried_again = beating.clone().put(there.clone(), text.into()).await;
            }
        });
        Ok(Marker { remote, path, uploads, heart })
    }

    /// An upload has begun.
    pub fn add(&self, path: &Path, upload: &str) -> object_store::Result<()> {
        let begun = Begun { path: path.to_string(), upload: upload.to_string() };
        let all = {
            let mut uploads = locked(&self.uploads);
            uploads.push(begun);
            uploads.clone()
        };
        put(&self.remote, &self.path, &all)
    }

    /// An upload has ended. The marker may go on naming it: ending it again does nothing.
    pub fn remove(&self, upload: &str) {
        locked(&self.uploads).retain(|begun| begun.upload != upload);
    }

    /// Ends every upload that has begun.
    pub fn abort(&self) {
        let uploads = std::mem::take(&mut *locked(&self.uploads));
        end_uploads(&self.remote, uploads);
    }

    /// Removes it.
    pub fn end(&self) {
        self.heart.abort();
        // One that stays behind beside a whole backup is swept and does no harm.
        let _swept_later = wait(self.remote.clone().delete(self.path.clone()));
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

/// Ends the uploads that a marker names which was left behind.
pub fn abort(remote: &Arc<dyn Remote>, marker: &Path) {
    let text = wait(remote.clone().get(marker.clone(), GetOptions::default()));
    // A marker that cannot be read names none that we could end.
    let uploads = text.ok().and_then(|(_, text)| serde_json::from_slice(&text).ok()).unwrap_or_default();
    end_uploads(remote, uploads);
}

fn end_uploads(remote: &Arc<dyn Remote>, uploads: Vec<Begun>) {
    for Begun { path, upload } in uploads {
        // It may have ended well before.
        let _ended_before = wait(remote.clone().abort_upload(Path::from(path), upload));
    }
}

fn put(remote: &Arc<dyn Remote>, path: &Path, uploads: &[Begun]) -> object_store::Result<()> {
    wait(remote.clone().put(path.clone(), text(uploads).into()))
}

fn text(uploads: &[Begun]) -> Vec<u8> {
    // Texts in a list can always be written.
    serde_json::to_vec(uploads).unwrap_or_default()
}

fn locked(uploads: &Mutex<Vec<Begun>>) -> std::sync::MutexGuard<'_, Vec<Begun>> {
    uploads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
