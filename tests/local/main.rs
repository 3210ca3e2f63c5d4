//! Tests of the built program that need no lab.

#[path = "../stage/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of the lab use the rest")]
mod stage;

mod background;
mod bad_input;
mod broken_commands;
mod browser;
mod cli;
mod completions;
mod delegation;
mod delegation_together;
mod dependencies;
mod faults;
mod folder_host;
mod from_ansible;
mod hostile_host;
mod hostile_values;
mod import;
mod language;
mod manual;
mod outputs;
mod packages;
mod plan;
mod plays;
mod reference;
mod rounds;
mod schedule;
mod secrets;
mod secrets_of_hosts;
mod set;
mod ssh_config;
mod step_by_step;
mod store;
mod structure;
mod trust;
mod words;
mod wrong_playbooks;
