//! Tests on the hosts of the lab, and those that need programs which only `./tests/run` installs.

#[path = "../stage/mod.rs"]
#[expect(dead_code, reason = "the tests without a lab use the rest")]
mod stage;

mod audits;
mod background;
mod backup;
mod backup_databases;
mod become_user;
mod blue_green;
mod canaries;
mod cleanup;
mod command_environment;
mod containers;
mod delegation;
mod faults;
mod first_contact;
mod fix_dns;
mod grouping;
mod guard;
mod hosts;
mod imports_trees;
mod kill_points;
mod known_beforehand;
mod lab_hosts;
mod locks;
mod logins;
mod manual;
mod migrate;
mod network_faults;
mod nginx_port;
mod other_users;
mod overlay;
mod packages;
mod plans;
mod plays;
mod port_audit;
mod printed;
mod provision;
mod reaching;
mod readiness;
mod release;
mod rights;
mod runs;
mod schedule_units;
mod steps_on_hosts;
mod store;
mod system_kinds;
mod trust;
mod ufw;
mod undo_files;
mod undo_kinds;
mod undo_variants;
mod units;
mod unknowns;
