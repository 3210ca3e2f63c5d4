//! Tests of the kind: both layouts, all states, and what is refused.

use crate::system::System;
use crate::system::pretend::Pretend;
use crate::testing::{answer, apply, host, parse, planned, text};
use std::path::Path;

const MAIN: &str = "/etc/nginx/nginx.conf";
const LINKED: &str = "http { include /etc/nginx/conf.d/*.conf; include sites-enabled/*; }";
const SINGLE: &str = "http { include conf.d/*.conf; }";

/// A host on which nginx runs with these files.
fn nginx(files: &[(&str, &str)]) -> Pretend<'static> {
    let host = host(files);
    answer(&host, "nginx -V", 0, "");
    answer(&host, "nginx -t", 0, "");
    answer(&host, "/bin/sh -s -- workers /run/nginx.pid", 0, "11\n");
    host
}

fn refused(host: &Pretend<'_>, keys: &str) -> String {
    planned(host, "nginx_site", keys).unwrap_err().to_string()
}

#[test]
fn a_site_is_written_linked_tested_and_served() {
    let host = nginx(&[(MAIN, LINKED)]);
    let keys = "name = 'app'\ncontent = 'server { listen 81; }'\nprobe = '/'";
    let said = apply(&host, "nginx_site", keys).unwrap();
    expect_test::expect![[r#"
        make directory /etc/nginx/sites-available
        write /etc/nginx/sites-available/app
        make directory /etc/nginx/sites-enabled
        link /etc/nginx/sites-enabled/app to ../sites-available/app
        run nginx -t
        run nginx -s reload
    "#]]
    .assert_eq(&said);
    let said = apply(&host, "nginx_site", "name = 'app'\nstate = 'disabled'").unwrap();
    assert_eq!(said, "remove /etc/nginx/sites-enabled/app\nrun nginx -t\nrun nginx -s reload\n");
    let said =
        apply(&host, "nginx_site", "name = 'app'\nstate = 'disabled'\ncontent = 'server { }'").unwrap();
    assert_eq!(said, "write /etc/nginx/sites-available/app\n", "nginx does not read it");
    let said = apply(&host, "nginx_site", "name = 'app'\nstate = 'absent'").unwrap();
    assert_eq!(said, "remove /etc/nginx/sites-available/app\n");
}

#[test]
fn what_nginx_refuses_already_and_the_site_cannot_mend_is_known_beforehand() {
    let keys = "name = 'app'\ncontent = 'server { listen 81; }'";
    let said = |error: &str| {
        let host = nginx(&[(MAIN, LINKED)]);
        answer(&host, "nginx -t", 1, error);
        planned(&host, "nginx_site", keys)
            .map_or_else(|failure| failure.to_string(), |_| "goes on".to_string())
    };
    assert_eq!(
        said(
            "2026/12/01 01:49:31 [emerg] 1813#1813: unknown directive \"x\" in /etc/nginx/conf.d/bad.conf:1\n"
        ),
        "run nginx -t: the configuration is broken already, before any change: \
         nginx: [emerg] unknown directive \"x\" in /etc/nginx/conf.d/bad.conf:1\n  \
         hint: correct it by hand first; nothing was changed"
    );
    assert_eq!(said("nginx: [emerg] unexpected \"}\" in /etc/nginx/sites-enabled/app:3\n"), "goes on");
    let upstream = "nginx: [emerg] host not found in upstream \"app\" in /etc/nginx/conf.d/other.conf:1\n";
    assert_eq!(said(upstream), "goes on");
}

#[test]
fn where_conf_d_is_the_layout_a_site_is_one_file() {
    let host = nginx(&[(MAIN, SINGLE), ("/etc/nginx/conf.d/x.conf", "")]);
    let said = apply(&host, "nginx_site", "name = 'app'\ncontent = 'server { }'").unwrap();
    assert_eq!(said, "write /etc/nginx/conf.d/app.conf\nrun nginx -t\nrun nginx -s reload\n");
    let said = apply(&host, "nginx_site", "name = 'app'\nstate = 'disabled'").unwrap();
    assert_eq!(
        said,
        "remove /etc/nginx/conf.d/app.conf\nwrite /etc/nginx/conf.d/app.conf.disabled\nrun nginx -t\nrun nginx -s reload\n"
    );
    assert_eq!(text(&host, "/etc/nginx/conf.d/app.conf.disabled"), "server { }");
    let said = apply(&host, "nginx_site", "name = 'app.conf'\ncontent = 'server { }'").unwrap();
    assert_eq!(
        said,
        "write /etc/nginx/conf.d/app.conf\nremove /etc/nginx/conf.d/app.conf.disabled\nrun nginx -t\nrun nginx -s reload\n"
    );
}

#[test]
fn a_link_that_leads_there_is_kept_and_another_one_turned() {
    let site = ("/etc/nginx/sites-available/app", "server { }");
    let host = nginx(&[(MAIN, LINKED), site, ("/etc/nginx/sites-enabled/copy", "")]);
    let link =
        |target: &str| host.link(Path::new("/etc/nginx/sites-enabled/app"), Path::new(target)).unwrap();
    let keys = "name = 'app'\ncontent = 'server { }'";
    let serving =
        "/bin/sh -s -- current /run/nginx.pid /etc/nginx/sites-available/app /etc/nginx/sites-enabled/app";
    link("/etc/nginx/sites-available/app");
    answer(&host, serving, 0, "current\n");
    assert_eq!(planned(&host, "nginx_site", keys).unwrap(), "");
    answer(&host, serving, 0, "stale\n");
    assert_eq!(planned(&host, "nginx_site", keys).unwrap(), "run nginx -t\nrun nginx -s reload\n");
    link("/srv/elsewhere");
    host.settle();
    let said = apply(&host, "nginx_site", keys).unwrap();
    assert!(said.starts_with("link /etc/nginx/sites-enabled/app to ../sites-available/app\n"), "{said}");
    let copy = refused(&host, "name = 'copy'\ncontent = 'server { }'");
    assert!(copy.contains("a file is there, not a link to /etc/nginx/sites-available/copy"), "{copy}");
}

#[test]
fn what_nginx_could_not_read_is_refused_before_any_change() {
    let host = nginx(&[(MAIN, LINKED)]);
    let broken = refused(&host, "name = 'app'\ncontent = 'server { listen 80 }'");
    assert!(broken.starts_with("read /etc/nginx/sites-available/app:1:20: unexpected \"}\""), "{broken}");
    let host = nginx(&[(MAIN, "http { include sites-enabled/*.conf; }")]);
    let unread = refused(&host, "name = 'app'\ncontent = 'server { }'");
    assert!(
        unread.contains("includes /etc/nginx/sites-enabled/*.conf, which app does not match"),
        "{unread}"
    );
    let host = nginx(&[(MAIN, "http { }")]);
    let nowhere = refused(&host, "name = 'app'\nstate = 'absent'");
    assert!(nowhere.contains("/etc/nginx/nginx.conf includes neither sites-enabled nor conf.d"), "{nowhere}");
}

#[test]
fn keys_that_do_not_fit_together_are_refused() {
    let refused = |keys: &str| parse("nginx_site", keys).err().unwrap().to_string();
    assert_eq!(refused("name = 'a'"), "read the keys of nginx_site: give source or content");
    assert_eq!(
        refused("name = 'a/b'\ncontent = ''"),
        "read nginx_site.name: \"a/b\" is not the name of a site's file"
    );
    assert_eq!(
        refused("name = 'a'\nstate = 'absent'\ncontent = ''"),
        "read nginx_site.state: what is absent has neither source nor content"
    );
    assert_eq!(
        refused("name = 'a'\ncontent = ''\nsource = ''"),
        "read nginx_site.content: source is given too; one is enough"
    );
    assert_eq!(
        refused("name = 'a'\ncontent = ''\nprobe = 'x'"),
        "read nginx_site.probe: \"x\" is no path: it must begin with /"
    );
    assert_eq!(
        refused("name = 'a'\ncontent = ''\nstatus = []"),
        "read nginx_site.status: name at least one status that is fine"
    );
}
