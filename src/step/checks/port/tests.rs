//! What is said of a look, and what is done about it.

use super::look::{question, without};
use crate::testing::{answer_to, apply, found, host, parse, planned, pretend_a_change};

/// nginx with a worker on 80, a proxy of a container that runs on 8080, one of nobody's on 3001, and a process of its own.
const LOOK: &str = "user\t0
socket\ttcp\t00000000:0050\t10
socket\ttcp6\t00000000000000000000000000000000:0050\t11
socket\ttcp\t0100007F:1F90\t20
socket\ttcp\t00000000:0BB9\t30
socket\ttcp\t00000000:1388\t40
socket\ttcp\t00000000:1770\t50
socket\tudp\t00000000:F000\t60
holder\t10\t130
holder\t10\t129
holder\t11\t129
holder\t20\t309
holder\t30\t812
holder\t40\t900
holder\t50\t901
holder\t60\t900
process\t129\t1\t100\tnginx\tsystemd\t/system.slice/nginx.service\tnginx: master process\x1f
process\t130\t129\t101\tnginx\tnginx\t/system.slice/nginx.service\tnginx: worker process\x1f
process\t309\t149\t200\tdocker-proxy\tdockerd\t/system.slice/docker.service\t/usr/bin/docker-proxy\x1f-proto\x1ftcp\x1f-host-ip\x1f127.0.0.1\x1f-host-port\x1f8080\x1f-container-ip\x1f172.17.0.2\x1f-container-port\x1f80\x1f
process\t812\t1\t300\tdocker-proxy\tsystemd\t/system.slice/docker.service\t/usr/bin/docker-proxy\x1f-proto\x1ftcp\x1f-host-ip\x1f0.0.0.0\x1f-host-port\x1f3001\x1f-container-ip\x1f172.17.0.9\x1f-container-port\x1f3000\x1f
process\t900\t1\t400\tpython3\tsystemd\t/user.slice/session-3.scope\tpython3\x1f-m\x1fhttp.server\x1f--password=hunter2\x1f
process\t901\t1\t401\tnode\tcontainerd-shim\t/system.slice/docker-aaaa.scope\tnode\x1f
daemon\tcontainerd-shim
daemon\tdockerd
container\taaaa\t/app\tweb\t172.17.0.2 \t{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8080\"}],\"443/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8443\"}],\"9/tcp\":null}
docker\tanswers
";

fn seen(look: &str, keys: &str) -> String {
    let host = host(&[]);
    answer_to(&host, question().argv, 0, look);
    found(&host, "port", keys).unwrap()
}

#[test]
fn tells_who_listens() {
    expect_test::expect![[r#"
        info    port 80/tcp: nginx.service (nginx, pid 129 and 1 more), on 0.0.0.0 and ::
        fail    port 3001/tcp: orphaned docker-proxy (pid 812) for 172.17.0.9:3000: the dockerd that started it is gone, and no container that runs has 172.17.0.9:3000, on 0.0.0.0 (wanted: no orphan)
        info    port 5000/tcp: process python3 (pid 900), on 0.0.0.0
        info    port 6000/tcp: container app (node, pid 901), on 0.0.0.0
        info    port 8080/tcp: container app (docker-proxy, pid 309), on 127.0.0.1
    "#]]
    .assert_eq(&seen(LOOK, ""));
}

#[test]
fn judges_what_is_expected() {
    let keys = "ports = [80, '61440/udp']
        expect = { 80 = 'unit nginx', 8080 = 'free or container web', 5000 = 'free', 6000 = 'held', 7000 = 'free', 8443 = 'free' }";
    expect_test::expect![[r#"
        pass    port 80/tcp: nginx.service (nginx, pid 129 and 1 more), on 0.0.0.0 and :: (wanted: unit nginx)
        fail    port 5000/tcp: process python3 (pid 900), on 0.0.0.0 (wanted: free)
        pass    port 6000/tcp: container app (node, pid 901), on 0.0.0.0 (wanted: held)
        pass    port 7000/tcp: free (wanted: free)
        pass    port 8080/tcp: container app (docker-proxy, pid 309), on 127.0.0.1 (wanted: free or container web)
        fail    port 8443/tcp: container app (published, without a process that listens) (wanted: free)
        info    port 61440/udp: process python3 (pid 900), on 0.0.0.0
    "#]]
    .assert_eq(&seen(LOOK, keys));
}

#[test]
fn ends_the_orphan_alone_and_check_mode_sees_it_gone() {
    let host = host(&[]);
    answer_to(&host, question().argv, 0, LOOK);
    let told = apply(&host, "port", "free_orphans = true").unwrap();
    assert_eq!(told, "run kill 812 (orphaned docker-proxy of port 3001/tcp)\n");
    let after = found(&host, "port", "ports = [3001, 5000]").unwrap();
    assert_eq!(
        after,
        "info    port 3001/tcp: free\ninfo    port 5000/tcp: process python3 (pid 900), on 0.0.0.0\n"
    );
    assert_eq!(planned(&host, "port", "free_orphans = true\nports = [80]").unwrap(), "");
}

/// What is said of port 3001 when one thing is different.
fn otherwise(from: &str, to: &str) -> String {
    let look = LOOK.replace(from, to);
    assert_ne!(look, LOOK, "{from} is there");
    let host = host(&[]);
    answer_to(&host, question().argv, 0, &look);
    let keys = "ports = [3001]\nfree_orphans = true";
    let ends = !planned(&host, "port", keys).unwrap().is_empty();
    assert_eq!(ends, found(&host, "port", keys).unwrap().contains("orphaned docker-proxy"));
    let told = found(&host, "port", keys).unwrap();
    told.split_once("3001/tcp: ").unwrap().1.trim_end().to_string()
}

#[test]
fn nothing_is_an_orphan_that_is_not_proved_to_be_one() {
    let proxy = "docker-proxy (pid 812) for 172.17.0.9:3000: ";
    for (from, to, told) in [
        (
            "812\t1\t300\tdocker-proxy\tsystemd",
            "812\t149\t300\tdocker-proxy\tdockerd",
            format!(
                "{proxy}the dockerd that started it runs, and knows no container that runs there, on 0.0.0.0"
            ),
        ),
        (
            "812\t1\t300\tdocker-proxy\tsystemd",
            "812\t77\t300\tdocker-proxy\tbash",
            format!("{proxy}its parent is neither dockerd nor init but bash, on 0.0.0.0"),
        ),
        (
            "docker\tanswers",
            "docker\tsilent",
            format!(
                "{proxy}the dockerd that started it is gone, but dockerd does not say which containers run, on 0.0.0.0"
            ),
        ),
        (
            "-host-port\x1f3001",
            "-host-port\x1f3002",
            "docker.service (docker-proxy, pid 812), on 0.0.0.0".to_string(),
        ),
        (
            "/usr/bin/docker-proxy\x1f-proto\x1ftcp\x1f-host-ip\x1f0",
            "/tmp/other\x1f-proto\x1ftcp\x1f-host-ip\x1f0",
            "docker.service (docker-proxy, pid 812), on 0.0.0.0".to_string(),
        ),
        (
            "172.17.0.2 \t{",
            "172.17.0.9 \t{\"3000/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"3001\"}],",
            "container app (docker-proxy, pid 812), on 0.0.0.0".to_string(),
        ),
    ] {
        assert_eq!(otherwise(from, to), told);
    }
}

#[test]
fn without_any_daemon_no_container_runs() {
    let told = otherwise("daemon\tcontainerd-shim\ndaemon\tdockerd\ncontainer", "ignored");
    assert!(told.contains("no container that runs has"), "docker still answers: {told}");
    let look = LOOK.replace("daemon\t", "ignored\t").replace("docker\tanswers", "docker\tabsent");
    let told = seen(&look, "ports = [3001]");
    assert!(told.contains("no container runs here: there is no dockerd and no containerd-shim"), "{told}");
}

#[test]
fn what_cannot_be_seen_is_unknown() {
    let look = "user\t1000\nsocket\ttcp\t00000000:0050\t10\ndocker\tsilent\ndaemon\tdockerd\n";
    expect_test::expect![[r#"
        unknown port 80/tcp: a process that only root can see, on 0.0.0.0
        unknown port 81/tcp: nothing listens, but dockerd does not say whether a container publishes it (wanted: free or unit nginx)
    "#]]
    .assert_eq(&seen(look, "ports = [80]\nexpect = { 81 = 'free or unit nginx' }"));
    assert!(seen(look, "expect = { 80 = 'free' }").starts_with("fail "), "it is not free, whoever has it");
}

#[test]
fn what_no_process_of_the_host_holds_is_told_to_root() {
    let look = "user\t0\nsocket\ttcp\t00000000:0801\t10\ndocker\tabsent\n";
    let told = seen(look, "");
    assert_eq!(
        told,
        "info    port 2049/tcp: no process of this host: the kernel, or one in another PID namespace, on 0.0.0.0\n"
    );
    assert!(seen(look, "expect = { 2049 = 'free' }").starts_with("fail "));
    assert!(seen(look, "expect = { 2049 = 'held' }").starts_with("pass "));
}

#[test]
fn after_pretended_changes_nothing_is_known() {
    let host = host(&[]);
    answer_to(&host, question().argv, 0, LOOK);
    pretend_a_change(&host);
    let told = found(&host, "port", "ports = [80]").unwrap();
    assert!(told.starts_with("unknown port 80/tcp: now, nginx.service"), "{told}");
}

#[test]
fn keeps_command_lines_to_itself() {
    assert!(!seen(LOOK, "").contains("hunter2"));
    let plan = {
        let host = host(&[]);
        answer_to(&host, question().argv, 0, LOOK);
        parse("port", "").unwrap().plan(&host).unwrap()
    };
    assert!(!serde_json::to_string(&plan.result).unwrap().contains("hunter2"));
    assert_eq!(plan.result["ports"][1]["holders"][0]["kind"], "orphan");
}

#[test]
fn a_look_that_failed_is_a_failure() {
    let failure = found(&host(&[]), "port", "").unwrap_err();
    assert!(failure.to_string().starts_with("see what listens: "), "{failure}");
}

#[test]
fn refuses_what_is_no_port_and_no_holder() {
    let refused = |keys| parse("port", keys).err().unwrap().to_string();
    assert_eq!(
        refused("ports = [70000]"),
        "read port.ports[0]: \"70000\" is not a port such as 3001 or 53/udp"
    );
    assert_eq!(
        refused("expect = { http = 'free' }"),
        "read port.expect: \"http\" is not a port such as 3001 or 53/udp"
    );
    assert!(refused("expect = { 80 = 'nginx' }").contains("\"nginx\" is none of free, held, container NAME"));
}

#[test]
fn addresses_are_read_as_the_kernel_writes_them() {
    let look = "user\t0\nsocket\ttcp6\t0000000000000000FFFF00000100007F:0050\t1\nsocket\ttcp6\tB80D0120000000000000000001000000:0051\t2\nholder\t1\t5\nholder\t2\t5\nprocess\t5\t1\t1\tx\tsystemd\t/\tx\x1f\ndocker\tabsent\n";
    let told = seen(look, "");
    assert!(told.contains("on ::ffff:127.0.0.1") && told.contains("on 2001:db8::1"), "{told}");
    assert!(without(look, &[5]).lines().all(|line| !line.starts_with("socket")));
}
