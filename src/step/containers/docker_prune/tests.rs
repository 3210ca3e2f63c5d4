//! What `docker_prune` takes away, and what it never does.

use super::unused::{Container, Image, ago, images};
use crate::testing::parse;
use serde_json::json;

const NOW: i64 = 1_795_239_154;
const OLD: &str = "2026-11-01T00:00:00Z";
const NEW: &str = "2026-11-21T05:00:00Z";
const TWO_DAYS_AGO: i64 = NOW - 2 * 86_400;

fn container(name: &str, status: &str, finished: &str) -> Container {
    let value = json!({ "id": name, "name": format!("/{name}"), "image": "sha256:used", "status": status,
                        "finished": finished, "created": OLD, "size": 1 });
    serde_json::from_value(value).unwrap()
}

fn image(id: &str, tags: &[&str], tagged: &str, layers: &[&str]) -> Image {
    let value = json!({ "id": format!("sha256:{id}"), "tags": tags, "size": 1, "created": OLD, "tagged": tagged, "layers": layers });
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_container_goes_when_it_ended_long_ago() {
    for (one, goes) in [
        (container("a", "exited", OLD), true),
        (container("a", "exited", NEW), false),
        (container("a", "running", OLD), false),
        (container("a", "paused", OLD), false),
        (container("a", "restarting", OLD), false),
        (container("a", "created", "0001-01-01T00:00:00Z"), false),
        (container("a-until-20261121T053234Z", "created", "0001-01-01T00:00:00Z"), true),
        (container("a-until-20261121T053235Z", "exited", OLD), false),
        (container("a-until-20261121T053234Z", "exited", NEW), true),
        (container("a-until-20261121T053234Z", "running", NEW), false),
    ] {
        assert_eq!(one.may_go(NOW, TWO_DAYS_AGO), goes, "{one:?}");
    }
}

/// The ids that go of these images, when one container uses `used`.
fn gone(all: Vec<Image>) -> Vec<String> {
    let containers = [container("app", "exited", NEW)];
    images(all, &containers, TWO_DAYS_AGO, 1)
        .into_iter()
        .map(|image| image.id["sha256:".len()..].to_string())
        .collect()
}

#[test]
fn an_image_goes_when_nobody_needs_it() {
    let all = vec![
        image("used", &["app:2"], OLD, &["a", "b"]),
        image("base", &["debian:12"], OLD, &["a"]),
        image("brought-today", &["redis:7"], NEW, &["r"]),
        image("forgotten", &["old:1", "old:2"], OLD, &["o"]),
        image("dangling", &[], "0001-01-01T00:00:00Z", &["o", "p"]),
    ];
    assert_eq!(gone(all), ["dangling", "forgotten"]);
}

#[test]
fn the_newest_versions_stay_for_undo() {
    let version = |id: &str, day: &str| {
        image(id, &[&format!("shop:windlass-{id}")], &format!("2026-11-{day}T00:00:00Z"), &[id])
    };
    assert_eq!(gone(vec![version("a", "01"), version("b", "02"), version("c", "03")]), ["a"]);
}

#[test]
fn an_image_is_removed_by_all_its_names() {
    assert_eq!(image("a", &["x:1", "y:1"], OLD, &[]).handles(), ["x:1", "y:1"]);
    assert_eq!(image("a", &[], OLD, &[]).handles(), ["sha256:a"]);
    assert_eq!(
        [5, 60, 7200, 90_000, 200_000].map(ago),
        ["just now", "1 minute ago", "2 hours ago", "1 day ago", "2 days ago"]
    );
}

#[test]
fn something_must_be_asked_for() {
    let refused = parse("docker_prune", "apply = false").err().unwrap().to_string();
    assert_eq!(
        refused,
        "read the keys of docker_prune: give at least one of containers, images, build_cache and volumes"
    );
}
