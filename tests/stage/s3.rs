//! A real S3 server for tests, which checks signatures. Only those that need it compile it.

use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// A real S3 server on loopback, over a folder. Gone when dropped.
pub struct S3 {
    runtime: Option<Runtime>,
    root: PathBuf,
    port: u16,
    keys: tempfile::TempDir,
}

impl S3 {
    pub fn start(root: &Path) -> S3 {
        fs::create_dir_all(root.join("bucket")).unwrap();
        let runtime = Runtime::new().unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let answer = move |request: axum::extract::Request| {
            let service = service.clone();
            async move {
                let response = service.call(request.map(s3s::Body::http_body_unsync)).await;
                response
                    .map(|response| response.map(axum::body::Body::new))
                    .map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = axum::Router::new().fallback(answer);
        runtime.spawn(async move { axum::serve(listener, app).await });
        S3 { runtime: Some(runtime), root: root.to_path_buf(), port, keys: keys() }
    }

    /// Connections break off at once.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub fn table(&self, name: &str) -> String {
        format!(
            "[store.{name}]\nurl = \"s3://bucket/fleet\"\nendpoint = \"http://127.0.0.1:{}\"\nregion = \"us-east-1\"\n\
             access_key = \"env:S3_KEY\"\nsecret_key = \"env:S3_SECRET\"\n",
            self.port
        )
    }

    /// The same with keys from files, for a store that a test opens in its own process.
    pub fn table_with_keys(&self, name: &str) -> String {
        let file = |name: &str| format!("file:{}", self.keys.path().join(name).display());
        self.table(name).replace("env:S3_KEY", &file("key")).replace("env:S3_SECRET", &file("secret"))
    }

    /// Every file that the server keeps, by its path.
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut waiting) = (Vec::new(), vec![self.root.clone()]);
        while let Some(folder) = waiting.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { waiting.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The two halves of the key, each in a file that only its owner reads.
fn keys() -> tempfile::TempDir {
    let keys = tempfile::tempdir().unwrap();
    for name in ["key", "secret"] {
        fs::write(keys.path().join(name), format!("{name}\n")).unwrap();
        fs::set_permissions(keys.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    keys
}
