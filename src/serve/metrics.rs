//! `/metrics` in Prometheus' text format, and `/healthz`.

use super::status::{Board, Status};
use crate::model::{Doing, Result};
use crate::schedule::outcome::Outcome;
use crate::schedule::view::View;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// When schedules have not been looked at for so long, something is wrong.
const HEALTHY: Duration = Duration::from_secs(30);

/// Listens, and serves from then on. Returns where.
pub async fn listen(address: SocketAddr, board: Arc<Board>) -> Result<SocketAddr> {
    let doing = format!("listen on {address}");
    let listener = TcpListener::bind(address).await.doing(&doing)?;
    let address = listener.local_addr().doing(doing)?;
    let routes =
        Router::new().route("/metrics", get(metrics)).route("/healthz", get(health)).with_state(board);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let text = board.status().map(|status| text(&status)).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn health(State(board): State<Arc<Board>>) -> (StatusCode, String) {
    match board.age() {
        Some(age) if age < HEALTHY => (StatusCode::OK, "ok\n".into()),
        Some(age) => {
            let said = format!("schedules were last looked at {} s ago\n", age.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, said)
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "schedules have not been looked at yet\n".into()),
    }
}

/// A metric of each schedule: name, type, help, and its value where it has one.
type Metric = (&'static str, &'static str, &'static str, fn(&View) -> Option<f64>);

const METRICS: &[Metric] = &[
    ("last_success_timestamp_seconds", "gauge", "When a run last succeeded.", |view| {
        view.success.as_ref().map(|success| seconds(success.ended))
    }),
    ("last_run_timestamp_seconds", "gauge", "When a run last ended.", |view| {
        view.last.as_ref().map(|last| seconds(last.ended))
    }),
    ("last_duration_seconds", "gauge", "How long the last run took.", |view| {
        view.last.as_ref().map(|last| last.took().as_secs_f64())
    }),
    ("last_hosts_failed", "gauge", "Hosts on which the last run did not end well.", |view| {
        view.last.as_ref().map(|last| last.hosts_failed() as f64)
    }),
    ("failed", "gauge", "1 when the last run did not succeed.", |view| Some(flag(view.failed))),
    ("late", "gauge", "1 when no run has succeeded in time.", |view| Some(flag(view.late.is_some()))),
    ("running", "gauge", "1 while a run is going on.", |view| Some(flag(view.state == "running"))),
    ("next_timestamp_seconds", "gauge", "When it runs next.", |view| view.next.map(seconds)),
    ("notices_waiting", "gauge", "Notices that have not been delivered.", |view| Some(view.letters as f64)),
    ("left_out_total", "counter", "Times that were settled without a run.", |view| {
        Some(view.counts.get("left_out").copied().unwrap_or(0) as f64)
    }),
];

fn text(status: &Status) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        head(&mut text, name, kind, help);
        for view in &status.schedules {
            if let Some(value) = value(view) {
                let _infallible =
                    writeln!(text, "windlass_schedule_{name}{{schedule=\"{}\"}} {value}", view.name);
            }
        }
    }
    head(&mut text, "runs_total", "counter", "Runs by how they ended.");
    for view in &status.schedules {
        for outcome in Outcome::ALL.map(Outcome::as_str) {
            let count = view.counts.get(outcome).copied().unwrap_or(0);
            let labels = format!("schedule=\"{}\",outcome=\"{outcome}\"", view.name);
            let _infallible = writeln!(text, "windlass_schedule_runs_total{{{labels}}} {count}");
        }
    }
    let looked = seconds(status.updated);
    text + "# HELP windlass_serve_looked_timestamp_seconds When schedules were last looked at.\n\
            # TYPE windlass_serve_looked_timestamp_seconds gauge\n"
        + &format!("windlass_serve_looked_timestamp_seconds {looked}\n")
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let name = format!("windlass_schedule_{name}");
    let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}
