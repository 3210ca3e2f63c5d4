//! Incident 12: what nobody needs goes, and nothing else.

use crate::stage::{Host, Stage};

fn clean(host: &Host) {
    host.must(
        "docker ps -aq --filter name=^/e2eclean | xargs -r docker rm -f >/dev/null; \
         docker images --format '{{.Repository}}:{{.Tag}}' | grep ^e2eclean | xargs -r docker rmi -f >/dev/null; \
         docker image prune -f >/dev/null; rm -rf /srv/e2e-clean; su postgres -c 'dropdb --if-exists e2eclean' >/dev/null",
    );
}

/// Old archives, an ended container, images used and unused, kept versions, a table with sessions that are over.
fn clutter(host: &Host) {
    clean(host);
    host.must(
        "mkdir -p /srv/e2e-clean/sub && cd /srv/e2e-clean && echo 12345 >update-1.tar.gz && echo 1 >update-2.tar.gz && \
         touch -d '3 days ago' update-1.tar.gz && echo 1 >sub/update-3.tar.gz && touch -d '3 days ago' sub/update-3.tar.gz && \
         echo 1 >other && touch -d '3 days ago' other && ln -s other update-link.tar.gz && \
         for n in used unused v1 v2 v3; do mkdir -p /tmp/e2e-clean-build; \
           printf 'FROM lab/busybox\\nRUN echo '$n' >/name\\n' | docker build -q -t e2eclean:$n - >/dev/null; done && \
         for n in v1 v2 v3; do docker tag e2eclean:$n e2eclean:windlass-$n; docker rmi e2eclean:$n >/dev/null; sleep 1.1; done && \
         docker run -d --name e2eclean-runs e2eclean:used sleep 1000 && docker run --name e2eclean-ended e2eclean:used true && \
         docker run --name e2eclean-until-20990101T000000Z e2eclean:used true && sleep 2",
    );
    host.must("systemctl is-active postgresql || systemctl start postgresql");
    host.must(
        "su postgres -c 'createdb e2eclean' && su postgres -c \"psql -q e2eclean -c 'CREATE TABLE sessions (expires_at timestamptz)' \
         -c \\\"INSERT INTO sessions VALUES (now() - interval '1 day'), (now() + interval '1 day')\\\"\"",
    );
}

fn there(host: &Host) -> (String, String, String, String) {
    (
        host.must("ls /srv/e2e-clean | tr '\\n' ' '"),
        host.must("docker ps -a --format '{{.Names}}' --filter name=^/e2eclean | sort | tr '\\n' ' '"),
        host.must("docker images --format '{{.Tag}}' e2eclean | sort | tr '\\n' ' '"),
        host.must("su postgres -c \"psql -qtA e2eclean -c 'SELECT count(*) FROM sessions'\""),
    )
}

fn all(files: &str, containers: &str, images: &str, rows: &str) -> (String, String, String, String) {
    [files, containers, images, rows].map(str::to_owned).into()
}

const LINE: &str = "run playbook cleanup --hosts full3 -e images_older=1 -e containers=1 -e build_cache=1s \
                    -e archives=[\"/srv/e2e-clean/update-*.tar.gz\"] \
                    -e sql=[{database=\"postgres:///e2eclean\",table=\"sessions\",where=\"expires_at<now()\"}]";

#[test]
fn what_nobody_needs_is_shown_and_then_goes() {
    let Stage { host, project } = Stage::on("full3");
    clutter(&host);
    let before = there(&host);

    let shown = project.report(LINE).exits(0);
    assert_eq!(shown.outcome("full3"), "ok", "{shown:#?}");
    assert_eq!(there(&host), before, "it only shows");
    let report = format!("{:?}", shown.step("full3", "containers, images and build cache"));
    for what in ["e2eclean-ended", "e2eclean:unused", "e2eclean:windlass-v1"] {
        assert!(report.contains(what), "{what}: {report}");
    }
    for what in
        ["e2eclean-runs", "e2eclean-until", "e2eclean:used", "windlass-v2", "windlass-v3", "lab/busybox"]
    {
        assert!(!report.contains(what), "{what}: {report}");
    }
    assert!(format!("{shown:?}").contains("1 rows of sessions are over"), "{shown:#?}");

    let apply = format!("{LINE} -e apply=true");
    let check = project.report(&format!("{apply} --check")).exits(0);
    assert_eq!(there(&host), before, "--check changes nothing");
    let report = project.report(&apply).exits(0);
    let outcome = |report: &crate::stage::Report| {
        report.step("full3", "containers, images and build cache")["outcome"].clone()
    };
    assert_eq!((outcome(&check), outcome(&report)), ("would_change".into(), "changed".into()));
    assert_eq!(
        there(&host),
        all(
            "other sub update-2.tar.gz update-link.tar.gz ",
            "e2eclean-runs e2eclean-until-20990101T000000Z ",
            "used windlass-v2 windlass-v3 ",
            "1"
        )
    );
    assert_eq!(host.must("ls /srv/e2e-clean/sub"), "update-3.tar.gz");
    host.must("docker image inspect lab/busybox >/dev/null && docker inspect app >/dev/null");

    let again = project.report(&apply).exits(0);
    assert_eq!(again.outcome("full3"), "ok", "{again:#?}");
    clean(&host);
}
