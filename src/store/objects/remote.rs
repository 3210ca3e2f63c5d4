//! What is asked of an S3 server, as few requests as will do. Each future owns what it needs, so that it can run anywhere.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, Result};
use std::sync::Arc;

/// The answer to a request.
pub type Asked<T> = BoxFuture<'static, Result<T>>;

/// A server, and a bucket on it.
pub trait Remote: Send + Sync + 'static {
    /// Writes an object as a whole.
    fn put(self: Arc<Self>, path: Path, bytes: Bytes) -> Asked<()>;

    /// Reads an object, or what the options say of it.
    fn get(self: Arc<Self>, path: Path, options: GetOptions) -> Asked<(ObjectMeta, Bytes)>;

    /// Every object below a path.
    fn list(self: Arc<Self>, below: Path) -> Asked<Vec<ObjectMeta>>;

    /// Removes an object.
    fn delete(self: Arc<Self>, path: Path) -> Asked<()>;

    /// Begins to write an object in pieces; the answer names the upload.
    fn begin_upload(self: Arc<Self>, path: Path) -> Asked<String>;

    /// Writes a piece, counted from 0.
    fn put_piece(self: Arc<Self>, path: Path, upload: String, number: usize, bytes: Bytes) -> Asked<PartId>;

    /// Makes an object of the pieces.
    fn complete_upload(self: Arc<Self>, path: Path, upload: String, pieces: Vec<PartId>) -> Asked<()>;

    /// Gives the pieces up.
    fn abort_upload(self: Arc<Self>, path: Path, upload: String) -> Asked<()>;
}

impl<T: ObjectStore + MultipartStore> Remote for T {
    fn put(self: Arc<Self>, path: Path, bytes: Bytes) -> Asked<()> {
        async move { ObjectStoreExt::put(&*self, &path, PutPayload::from(bytes)).await.map(|_| ()) }.boxed()
    }

    fn get(self: Arc<Self>, path: Path, options: GetOptions) -> Asked<(ObjectMeta, Bytes)> {
        async move {
            let is_head = options.head;
            let result = self.get_opts(&path, options).await?;
            let meta = result.meta.clone();
            let bytes = if is_head { Bytes::new() } else { result.bytes().await? };
            Ok((meta, bytes))
        }
        .boxed()
    }

    fn list(self: Arc<Self>, below: Path) -> Asked<Vec<ObjectMeta>> {
        async move { ObjectStore::list(&*self, Some(&below)).try_collect().await }.boxed()
    }

    fn delete(self: Arc<Self>, path: Path) -> Asked<()> {
        async move { ObjectStoreExt::delete(&*self, &path).await }.boxed()
    }

    fn begin_upload(self: Arc<Self>, path: Path) -> Asked<String> {
        async move { self.create_multipart(&path).await }.boxed()
    }

    fn put_piece(self: Arc<Self>, path: Path, upload: String, number: usize, bytes: Bytes) -> Asked<PartId> {
        async move { self.put_part(&path, &upload, number, PutPayload::from(bytes)).await }.boxed()
    }

    fn complete_upload(self: Arc<Self>, path: Path, upload: String, pieces: Vec<PartId>) -> Asked<()> {
        async move { self.complete_multipart(&path, &upload, pieces).await.map(|_| ()) }.boxed()
    }

    fn abort_upload(self: Arc<Self>, path: Path, upload: String) -> Asked<()> {
        async move { self.abort_multipart(&path, &upload).await }.boxed()
    }
}
