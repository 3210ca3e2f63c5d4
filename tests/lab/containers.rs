//! Images, containers and compose projects on hosts with a nested Docker: a way back from each, and nothing done twice.

use crate::stage::{Host, Project, Stage};

/// An image of the host's own whose page says `text`.
fn build(host: &Host, name: &str, text: &str) {
    let dockerfile = format!(
        "FROM lab/busybox\nRUN echo {text} >/www/index.html\nCMD [\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/www\"]\n"
    );
    host.write("/tmp/windlass-build/Dockerfile", dockerfile);
    host.must(&format!("docker build -q -t {name} /tmp/windlass-build"));
}

/// What `docker save` writes, brought into the project's `files/`; the host itself forgets the image.
fn carry(project: &Project, host: &Host, name: &str, file: &str) {
    let bytes = host.bytes(&format!("docker save {name}"));
    host.must(&format!("docker image rm {name}"));
    project.write(&format!("files/{file}"), bytes);
}

/// Nothing of these tests is left: the lab's own container and image only.
fn clean(host: &Host) {
    host.must(
        "docker ps -aq --filter label=windlass.spec | xargs -r docker rm -f >/dev/null; \
         docker ps -aq --filter label=com.docker.compose.project | xargs -r docker rm -f >/dev/null; \
         docker ps -aq --filter name=hand | xargs -r docker rm -f >/dev/null; docker network prune -f >/dev/null; \
         docker images --format '{{.Repository}}:{{.Tag}}' | grep -E '^(127.0.0.1:5000/)?shop' | xargs -r docker rmi -f >/dev/null; \
         docker image prune -f >/dev/null; rm -rf /srv/shop /tmp/windlass-build",
    );
}

fn newest(project: &Project) -> String {
    project.export()["run"].as_str().expect("a run has a name").to_owned()
}

fn id_of(host: &Host, image: &str) -> String {
    host.sh(&format!("docker image inspect --format '{{{{.Id}}}}' {image}")).stdout.trim().to_owned()
}

#[test]
fn an_image_travels_once_and_its_name_goes_back() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    let old = id_of(&host, "shop:1");
    host.must("docker image tag shop:1 shop:keep");
    build(&host, "shop:1", "two");
    let new = id_of(&host, "shop:1");
    carry(&project, &host, "shop:1", "shop.tar");
    host.must("docker image tag shop:keep shop:1; docker image rm shop:keep");

    let step = "[[steps]]\nregister = \"it\"\n[steps.image]\nname = \"shop:1\"\narchive = \"shop.tar\"\ntags = [\"stable\"]\n\
                [[steps]]\n[steps.debug]\nmessage = \"{{ it.id | default('unknown') }}\"\n";
    let check = project.play(step, &host.name, "--check").exits(0);
    assert_eq!(check.outcomes(&host.name)[0], "would_change");
    assert_eq!(id_of(&host, "shop:1"), old, "--check changes nothing");

    let report = project.play(step, &host.name, "").exits(0);
    assert_eq!(report.outcomes(&host.name)[0], "changed");
    let run = newest(&project);
    assert_eq!((id_of(&host, "shop:1"), id_of(&host, "shop:stable")), (new.clone(), new.clone()));
    let kept = format!("shop:windlass-{}", &old["sha256:".len()..][..12]);
    assert_eq!(id_of(&host, &kept), old, "the one before has a name of its own");
    assert_eq!(host.must("ls /var/lib/windlass/images"), "", "the archive is gone");

    assert_eq!(project.play(step, &host.name, "").exits(0).outcomes(&host.name)[0], "ok");

    project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!((id_of(&host, "shop:1"), id_of(&host, &new)), (old, String::new()));
    clean(&host);
}

/// The host's own registry, as a real one answers: what it holds is known by its digest, whatever its tag is moved to.
#[test]
fn an_image_is_pulled_from_a_registry_when_it_is_missing() {
    const NAME: &str = "127.0.0.1:5000/shop";
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    let open = "version: 0.1\nstorage: { filesystem: { rootdirectory: /var/lib/docker-registry } }\nhttp: { addr: '127.0.0.1:5000' }\n";
    host.write("/etc/docker/registry/config.yml", open);
    host.must("systemctl restart docker-registry");
    host.await_success("curl -sf http://127.0.0.1:5000/v2/", std::time::Duration::from_secs(60));
    let publish = |text: &str| {
        build(&host, &format!("{NAME}:1"), text);
        host.must(&format!("docker push -q {NAME}:1"));
        let id = id_of(&host, &format!("{NAME}:1"));
        host.must(&format!("docker image rm {NAME}:1"));
        id
    };
    let one = publish("one");
    let step = |more: &str| {
        format!(
            "[[steps]]\nregister = \"it\"\n[steps.image]\nname = \"{NAME}:1\"\n{more}[[steps]]\n[steps.debug]\nmessage = \"{{{{ it.digests | default('unknown') }}}}\"\n"
        )
    };

    let none = project.play(&step("pull = \"never\"\n"), &host.name, "").exits(2).failure(&host.name);
    assert!(none.contains(NAME), "{none}");
    assert_eq!(
        project.play(&step(""), &host.name, "--check").exits(0).outcomes(&host.name)[0],
        "would_change"
    );
    let report = project.play(&step(""), &host.name, "").exits(0);
    assert_eq!(
        (report.outcomes(&host.name)[0], id_of(&host, &format!("{NAME}:1"))),
        ("changed", one.clone())
    );
    let run = newest(&project);
    assert!(format!("{:?}", report.events).contains(&format!("{NAME}@sha256:")), "{:#?}", report.events);
    assert_eq!(project.play(&step(""), &host.name, "").exits(0).outcomes(&host.name)[0], "ok");

    // Somebody publishes another image under the same tag.
    host.must(&format!("docker image tag {NAME}:1 shop:keep"));
    let two = publish("two");
    host.must(&format!("docker image tag shop:keep {NAME}:1"));
    assert_eq!(project.play(&step(""), &host.name, "").exits(0).outcomes(&host.name)[0], "ok");
    project.play(&step("pull = \"always\"\n"), &host.name, "").exits(0);
    assert_eq!(id_of(&host, &format!("{NAME}:1")), two);
    project.report("runs undo last").exits(0);
    assert_eq!(id_of(&host, &format!("{NAME}:1")), one);

    host.must("docker image rm shop:keep");
    project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!(id_of(&host, &format!("{NAME}:1")), "");

    let gone =
        project.play(&step("").replace("shop:1", "shop:9"), &host.name, "").exits(2).failure(&host.name);
    assert!(gone.contains("shop:9"), "{gone}");
    host.must("systemctl stop docker-registry");
    clean(&host);
}

const APP: &str = "[[steps]]\n[steps.container]\nname = \"hand\"\nimage = \"shop:1\"\nports = [\"127.0.0.1:8088:80\"]\n\
                   env = { SECRET = \"canary-5c1\" }\nstop_timeout = 1\nstays = \"1s\"\nwithin = \"20s\"\n";

const PAGE: &str = "curl -sf http://127.0.0.1:8088/";

#[test]
fn a_container_is_replaced_and_comes_back() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");

    assert_eq!(project.play(APP, &host.name, "--check").exits(0).outcomes(&host.name), ["would_change"]);
    assert_eq!(host.sh("docker inspect hand").code, 1);
    let report = project.play(APP, &host.name, "").exits(0);
    assert_eq!(report.outcomes(&host.name), ["changed"]);
    assert!(!format!("{report:?}").contains("canary-5c1"), "values of the environment are not shown");
    assert_eq!(host.must(PAGE), "one");
    assert!(host.must("docker exec hand env").contains("SECRET=canary-5c1"));
    assert_eq!(project.play(APP, &host.name, "").exits(0).outcomes(&host.name), ["ok"]);

    build(&host, "shop:1", "two");
    assert_eq!(project.play(APP, &host.name, "--check").exits(0).outcomes(&host.name), ["would_change"]);
    assert_eq!(project.play(APP, &host.name, "").exits(0).outcomes(&host.name), ["changed"]);
    let run = newest(&project);
    assert_eq!(host.must(PAGE), "two");
    assert_eq!(host.must("docker ps -a --format '{{.Names}}' | grep -c ^hand-until-"), "1");
    assert_eq!(project.play(APP, &host.name, "").exits(0).outcomes(&host.name), ["ok"]);

    project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!(host.must(PAGE), "one", "the old one serves again, its bytes and its policy as before");
    assert_eq!(
        host.must("docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' hand"),
        "unless-stopped"
    );
    assert_eq!(host.must("docker ps -a --format '{{.Names}}' | grep ^hand"), "hand");
    clean(&host);
}

#[test]
fn a_container_that_ends_leaves_the_old_one() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    project.play(APP, &host.name, "").exits(0);
    let before = host.must("docker inspect --format '{{.Id}}' hand");

    let broken = APP.to_owned() + "command = ['sh', '-c', 'echo DATABASE_URL is not set >&2; exit 3']\n";
    let report = project.play(&broken, &host.name, "").exits(2);
    let failure = report.failure(&host.name);
    assert!(failure.contains("DATABASE_URL is not set") && failure.contains("it ended"), "{failure}");
    assert_eq!(host.must(PAGE), "one");
    assert_eq!(host.must("docker inspect --format '{{.Id}}' hand"), before);
    assert_eq!(host.must("docker ps -a --format '{{.Names}}' | grep ^hand"), "hand");

    let sick = APP.to_owned() + "health = { command = 'false', interval = '1s', retries = 1 }\n";
    let failure = project.play(&sick, &host.name, "").exits(2).failure(&host.name);
    assert!(failure.contains("its health check fails"), "{failure}");
    assert_eq!(host.must(PAGE), "one");
    clean(&host);
}

#[test]
fn a_port_in_use_is_reported_with_its_holder() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    let taken = APP.replace("8088", "8080");
    let failure = project.play(&taken, &host.name, "").exits(2).failure(&host.name);
    assert!(failure.contains("port 8080 is already allocated: container app holds it"), "{failure}");
    assert_eq!(host.sh("docker inspect hand").code, 1, "what was made is gone");
    clean(&host);
}

const SHOP: &str = "services:\n  web:\n    image: shop:1\n    ports: ['127.0.0.1:8088:80']\n    stop_grace_period: 1s\n\
                    \x20 job:\n    image: shop:1\n    command: ['true']\n";

const UP: &str =
    "[[steps]]\n[steps.compose]\ndir = \"/srv/shop\"\njobs = [\"job\"]\nstays = \"1s\"\nwithin = \"30s\"\n";

fn compose_file(host: &Host, text: &str) {
    host.write("/srv/shop/docker-compose.yml", format!("version: '3.8'\n{text}"));
}

#[test]
fn a_compose_project_comes_up_once() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    compose_file(&host, SHOP);

    let twice = |step: &str| {
        assert_eq!(project.play(step, &host.name, "--check").exits(0).outcomes(&host.name), ["would_change"]);
        assert_eq!(project.play(step, &host.name, "").exits(0).outcomes(&host.name), ["changed"]);
        assert_eq!(project.play(step, &host.name, "").exits(0).outcomes(&host.name), ["ok"]);
    };
    twice(UP);
    // The last of the three changed nothing; the one before made it all.
    let made = project.windlass(["runs", "list", "--output", "json"]);
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let made = made.as_array().expect("a list")[1]["run"].as_str().expect("a name").to_owned();
    assert_eq!(host.must(PAGE), "one");
    project.report(&format!("runs undo {made}")).exits(0);
    assert_eq!(host.must("docker ps -aq --filter name=shop_; docker network ls -q --filter name=shop_"), "");
    twice(UP);
    assert_eq!(host.must(PAGE), "one");
    let untouched = host.must("docker inspect --format '{{.Id}}' shop_web_1");

    compose_file(&host, &SHOP.replace("['true']", "['echo']"));
    twice(UP);
    assert_eq!(host.must("docker inspect --format '{{.Id}}' shop_web_1"), untouched);

    build(&host, "shop:1", "two");
    twice(UP);
    assert_eq!(host.must(PAGE), "two", "another image under the same name is seen");

    twice(&format!("{UP}state = \"stopped\""));
    assert_eq!(host.sh(PAGE).code, 7);
    twice(UP);
    project.play(&format!("{UP}state = \"down\""), &host.name, "").exits(0);
    assert_eq!(host.sh("docker inspect shop_web_1").code, 1);
    project.report("runs undo last").exits(0);
    assert_eq!(host.must(PAGE), "two");
    twice(&format!("{UP}state = \"down\""));
    clean(&host);
}

#[test]
fn an_undo_of_compose_leaves_services_as_they_were() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    let service = "  NAME:\n    image: shop:1\n    command: ['sleep', '1000']\n    stop_grace_period: 0s\n";
    let services: String = ["a", "b", "c"].map(|name| service.replace("NAME", name)).concat();
    compose_file(&host, &format!("services:\n{services}"));
    host.must("cd /srv/shop && docker-compose up --detach a b && docker-compose stop b");
    let states = || {
        host.must("cd /srv/shop && docker ps -a --format '{{.Label \"com.docker.compose.service\"}} {{.State}}' --filter label=com.docker.compose.project | sort")
    };
    assert_eq!(states(), "a running\nb exited");

    let up = "[[steps]]\ncompose = { dir = \"/srv/shop\", services = [\"a\", \"c\"], stays = \"1s\" }\n";
    project.play(up, &host.name, "").exits(0);
    assert_eq!(states(), "a running\nb exited\nc running");
    project.report(&format!("runs undo {}", newest(&project))).exits(0);
    assert_eq!(states(), "a running\nb exited", "c did not run before");

    let stop = "[[steps]]\ncompose = { dir = \"/srv/shop\", state = \"stopped\" }\n";
    project.play(stop, &host.name, "").exits(0);
    assert_eq!(states(), "a exited\nb exited");
    project.report(&format!("runs undo {}", newest(&project))).exits(0);
    assert_eq!(states(), "a running\nb exited", "b did not run before");
    clean(&host);
}

#[test]
fn a_container_that_docker_removes_by_itself_is_not_stopped() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");
    host.must("docker run --rm -d --name hand shop:1");
    let absent = "[[steps]]\ncontainer = { name = \"hand\", state = \"absent\" }\n";
    for options in ["--check", ""] {
        let report = project.play(absent, &host.name, options).exits(2);
        assert!(report.failure(&host.name).contains("started with --rm"), "{report:#?}");
    }
    assert_eq!(host.must("docker inspect --format '{{.State.Running}}' hand"), "true");
    clean(&host);
}

#[test]
fn a_compose_service_that_fails_is_reported_with_its_log() {
    let Stage { host, project } = Stage::on("full");
    clean(&host);
    build(&host, "shop:1", "one");

    let crash =
        "services:\n  web:\n    image: shop:1\n    command: ['sh', '-c', 'echo no REDIS_URL >&2; exit 4']\n";
    compose_file(&host, crash);
    let up = UP.replace("jobs = [\"job\"]\n", "");
    let failure = project.play(&up, &host.name, "").exits(2).failure(&host.name);
    assert!(failure.contains("service web ended with exit status 4"), "{failure}");
    assert!(failure.contains("web | no REDIS_URL"), "{failure}");
    assert_eq!(host.sh("docker inspect shop_web_1").code, 1, "what was made is gone");

    compose_file(&host, &SHOP.replace("8088", "8080"));
    let failure = project.play(UP, &host.name, "").exits(2).failure(&host.name);
    assert!(failure.contains("port 8080 is already allocated: container app holds it"), "{failure}");

    compose_file(&host, "services:\n  web:\n    imag: shop:1\n");
    let failure = project.play(&up, &host.name, "").exits(2).failure(&host.name);
    assert!(
        failure.contains("read the compose project in /srv/shop") && failure.contains("imag"),
        "{failure}"
    );
    clean(&host);
}
