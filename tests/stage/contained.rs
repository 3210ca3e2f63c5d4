//! Database servers in containers of a host's own dockerd, made from the host's own files: no image is needed.

use super::Host;
use std::time::Duration;

/// How one is made and reached.
pub struct Contained {
    /// As whom it runs.
    user: &'static str,
    /// What makes and starts it.
    program: &'static str,
    /// Its client inside.
    client: &'static str,
    /// Arguments of the client that create the database `app`.
    make: &'static str,
    /// The URL of that database, as seen from inside.
    pub url: &'static str,
}

pub const POSTGRES: Contained = Contained {
    user: "postgres",
    program: "bin=/usr/lib/postgresql/15/bin; $bin/initdb -A trust -D /tmp/pg >/dev/null && \
              exec $bin/postgres -D /tmp/pg -k /tmp -c listen_addresses= -c fsync=off",
    client: "psql -h /tmp -U postgres -At",
    make: "-c 'CREATE DATABASE app'",
    url: "postgres://postgres@/app?host=/tmp",
};

pub const MARIADB: Contained = Contained {
    user: "mysql",
    program: "mariadb-install-db --no-defaults --datadir=/tmp/db --auth-root-authentication-method=normal --skip-test-db >/dev/null && \
              exec mariadbd --no-defaults --datadir=/tmp/db --socket=/tmp/db.sock --skip-networking --lc-messages-dir=/usr/share/mysql",
    client: "mariadb -S /tmp/db.sock -u root -N",
    make: "-e 'CREATE DATABASE app'",
    url: "mysql://root@/app?socket=/tmp/db.sock",
};

/// Starts the container `contained-db` with an empty database `app`.
pub fn start(host: &Host, database: &Contained) {
    let Contained { user, program, client, make, .. } = database;
    host.must(&format!(
        "docker rm -f contained-db >/dev/null 2>&1; \
         docker run -d --name contained-db --network none --user \"$(id -u {user}):$(id -g {user})\" -v /usr:/usr:ro \
         -v /usr/bin:/bin:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro -v /etc/passwd:/etc/passwd:ro -v /etc/group:/etc/group:ro \
         lab/busybox sh -c '{program}'"
    ));
    host.await_success(&format!("docker exec contained-db {client} {make}"), Duration::from_secs(60));
}

/// What a query says there.
pub fn ask(host: &Host, database: &Contained, query: &str) -> String {
    host.must(&format!("printf '%s' \"{query}\" | docker exec -i contained-db {} app", database.client))
}
