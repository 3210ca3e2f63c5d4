//! The client of an S3 server, made from a store's settings.

use super::Objects;
use crate::model::{Doing, Failure, Result, failure};
use crate::store::settings::Settings;
use crate::trust;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How an URL of S3 begins.
pub const SCHEME: &str = "s3://";

/// For the connection.
const CONNECT: Duration = Duration::from_secs(15);

/// For one request, of which the longest is a piece of 128 MiB.
const REQUEST: Duration = Duration::from_secs(600);

/// How often a request is tried again.
const RETRIES: usize = 5;

/// For all tries of a request, in all.
const RETRYING: Duration = Duration::from_secs(180);

/// The store at the `s3://BUCKET/PREFIX` of the settings. Nothing is contacted yet.
pub fn open(settings: &Settings) -> Result<Objects> {
    let doing = format!("open the store {}", settings.url);
    let rest = settings.url.strip_prefix(SCHEME).unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Failure::new(doing, "it names no bucket").hint("write it as s3://BUCKET/PREFIX"));
    }
    let prefix = Path::parse(prefix.trim_end_matches('/')).doing(&doing)?;
    Ok(Objects::new(Arc::new(client(settings, bucket)?), prefix, settings.url.clone()))
}

fn client(settings: &Settings, bucket: &str) -> Result<AmazonS3> {
    // Whoever is first installs it; TLS needs one.
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRYING,
            backoff: BackoffConfig::default(),
        })
        .with_client_options(ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST))
        .with_disable_bulk_delete(true);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &settings.access_key {
        builder = builder.with_access_key_id(secret(settings, "access_key", key)?);
    }
    if let Some(key) = &settings.secret_key {
        builder = builder.with_secret_access_key(secret(settings, "secret_key", key)?);
    }
    builder.build().map_err(|error| refused(&format!("open the store {}", settings.url), &error))
}

/// What `env:NAME` or `file:PATH` hold.
fn secret(settings: &Settings, key: &str, text: &str) -> Result<String> {
    let doing = format!("read `{key}` of the store {}", settings.url);
    match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
        (Some(name), _) => {
            std::env::var(name).map_err(|_| Failure::new(doing, format!("{name} is not in the environment")))
        }
        (_, Some(path)) => {
            let text = trust::secret(&settings.root.join(path), Some(&settings.root), doing)?;
            Ok(text.trim_end_matches(['\n', '\r']).to_string())
        }
        _ => {
            let failure = Failure::new(doing, "it is neither env:NAME nor file:PATH");
            Err(failure.hint("keys do not belong into windlass.toml itself"))
        }
    }
}

/// An error of the server as people read it.
pub fn refused(doing: &str, error: &object_store::Error) -> Failure {
    let why = why(error);
    let failure = Failure::new(doing, &why);
    let says = |word: &str| why.contains(word);
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => failure
            .hint("look at access_key and secret_key of the store, and at what they may do in the bucket"),
        _ if says("SignatureDoesNotMatch") || says("InvalidAccessKeyId") || says("AccessDenied") => failure
            .hint("look at access_key and secret_key of the store, and at what they may do in the bucket"),
        _ if says("NoSuchBucket") => failure.hint("make the bucket first; windlass makes none"),
        _ => failure,
    }
}

/// The same as an input or output error.
pub fn io(error: object_store::Error) -> io::Error {
    let failure = refused("", &error);
    io::Error::other(match failure.hint {
        Some(hint) => format!("{}; {hint}", failure.why),
        None => failure.why,
    })
}

/// The server's code and message where it sent them, else the innermost error: the layers between say the same at length.
fn why(error: &object_store::Error) -> String {
    let whole = error.to_string();
    let between = |from: &str, to: &str| Some(whole.split_once(from)?.1.split_once(to)?.0.to_string());
    if let Some(code) = between("<Code>", "</Code>") {
        let message = between("<Message>", "</Message>").unwrap_or_default();
        return format!("the server says {code}: {message}").trim_end_matches([':', ' ']).to_string();
    }
    if matches!(error, object_store::Error::NotFound { .. }) {
        return "there is no such object".to_string();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = failure::lowered(&failure::plain(&inner.to_string()));
    text.chars().take(300).collect()
}
