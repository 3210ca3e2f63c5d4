//! Names that Ansible or another language gives, and what is written here instead.

/// Ansible's facts, without `ansible_`, which nothing here ever sets.
const FACTS: &[(&str, &str)] = &[
    ("os_family", "facts.os.family: debian, redhat, suse, alpine …"),
    ("distribution", "facts.os.id: debian, ubuntu …"),
    ("distribution_version", "facts.os.version"),
    ("distribution_major_version", "facts.os.version.split('.')[0]"),
    ("distribution_release", "facts.os.codename"),
    ("lsb", "facts.os"),
    ("hostname", "facts.hostname"),
    ("nodename", "facts.hostname"),
    ("fqdn", "facts.hostname, or inventory_hostname"),
    ("kernel", "facts.kernel"),
    ("architecture", "facts.arch"),
    ("machine", "facts.arch"),
    ("userspace_architecture", "facts.arch"),
    ("processor", "facts.cpus"),
    ("processor_count", "facts.cpus"),
    ("processor_cores", "facts.cpus"),
    ("processor_nproc", "facts.cpus"),
    ("processor_vcpus", "facts.cpus"),
    ("memtotal_mb", "facts.memory.total, which is in bytes"),
    ("memfree_mb", "facts.memory.available, which is in bytes"),
    ("memory_mb", "facts.memory, which is in bytes"),
    ("mounts", "facts.mounts, or facts.disk for their sizes"),
    ("devices", "facts.disk"),
    ("default_ipv4", "facts.addresses[0], or host.address"),
    ("default_ipv6", "facts.addresses"),
    ("all_ipv4_addresses", "facts.addresses"),
    ("all_ipv6_addresses", "facts.addresses"),
    ("date_time", "now()"),
    ("user_id", "facts.user.name"),
    ("user_uid", "facts.user.id"),
    ("service_mgr", "facts.systemd"),
    ("pkg_mgr", "facts.os.family; [steps.package] finds the package manager itself"),
];

/// Ansible's other names, which nothing here ever sets either.
const MAGIC: &[(&str, &str)] = &[
    ("ansible_managed", "write the line itself: # windlass writes this file"),
    ("ansible_play_hosts", "write groups['all']"),
    ("ansible_play_batch", "write groups['all']"),
    ("play_hosts", "write groups['all']"),
    (
        "ansible_failed_task",
        "write `register` at the steps of the block, and look at what they give: NAME.failed",
    ),
    (
        "ansible_failed_result",
        "write `register` at the steps of the block, and look at what they give: NAME.stderr",
    ),
    ("inventory_hostname_short", "write inventory_hostname.split('.')[0]"),
];

/// Names of other languages.
const OTHERS: &[(&str, &str)] = &[
    ("null", "write `none`"),
    ("nil", "write `none`"),
    ("Null", "write `none`"),
    ("undefined", "write `… is undefined`, or `none`"),
    ("yes", "write `true`"),
    ("on", "write `true`"),
    ("TRUE", "write `true`"),
    ("no", "write `false`"),
    ("off", "write `false`"),
    ("FALSE", "write `false`"),
];

/// What to write for a name of Ansible's that can never be defined; `path` are the keys behind it.
pub fn of_ansible(name: &str, path: &[String]) -> Option<String> {
    let key = |at: usize| path.get(at).map(String::as_str);
    if name == "hostvars" {
        let host = key(0).unwrap_or("NAME");
        return Some(match key(1) {
            Some("ansible_facts") | None => format!("write hosts['{host}'].vars.NAME"),
            Some(fact) if of_fact(fact).is_some() => format!("write hosts['{host}'].{}", of_fact(fact)?),
            Some("ansible_host") => format!("write hosts['{host}'].address"),
            Some(variable) => format!("write hosts['{host}'].vars.{variable}"),
        });
    }
    if name == "ansible_facts" {
        let known = key(0).and_then(|fact| of_fact(fact).or_else(|| of_fact(&format!("ansible_{fact}"))));
        return Some(match known {
            Some(fact) => format!("write {fact}"),
            None => "write facts.NAME; `windlass facts` lists them".to_string(),
        });
    }
    let fact = of_fact(name).map(|fact| format!("write {fact}"));
    fact.or_else(|| found(MAGIC, name).map(str::to_string))
}

/// What to write for a name of another language, or for a name of Ansible's that an inventory may set.
pub fn elsewhere(name: &str) -> Option<&'static str> {
    let of_connection = || match name {
        "ansible_host" | "ansible_ssh_host" => Some("write host.address"),
        "ansible_user" | "ansible_ssh_user" => Some("write facts.user.name"),
        _ => None,
    };
    let any = || name.starts_with("ansible_").then_some("write facts.NAME; `windlass facts` lists them");
    found(OTHERS, name).or_else(of_connection).or_else(any)
}

/// The fact that `ansible_NAME` is here.
fn of_fact(name: &str) -> Option<&'static str> {
    found(FACTS, name.strip_prefix("ansible_")?)
}

fn found(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, written)| *written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::facts;

    #[test]
    fn only_facts_that_exist_are_named() {
        for (_, written) in FACTS {
            for fact in written.split("facts.").skip(1) {
                let end = fact.find(|letter: char| letter != '_' && !letter.is_alphanumeric());
                let name = &fact[..end.unwrap_or(fact.len())];
                assert!(facts::names().contains(&name), "{written}");
            }
        }
    }

    #[test]
    fn names_of_ansible_get_their_form() {
        let hint = |path: &str| {
            let mut words = path.split('.').map(str::to_string);
            let name = words.next().unwrap();
            of_ansible(&name, &words.collect::<Vec<_>>()).unwrap_or_default()
        };
        for (path, expected) in [
            ("ansible_os_family", "write facts.os.family: debian, redhat, suse, alpine …"),
            ("ansible_facts.hostname", "write facts.hostname"),
            ("ansible_facts.ansible_kernel", "write facts.kernel"),
            ("ansible_facts.nope", "write facts.NAME; `windlass facts` lists them"),
            ("ansible_default_ipv4.address", "write facts.addresses[0], or host.address"),
            ("hostvars", "write hosts['NAME'].vars.NAME"),
            ("hostvars.db1.token", "write hosts['db1'].vars.token"),
            ("hostvars.db1.ansible_kernel", "write hosts['db1'].facts.kernel"),
            ("hostvars.db1.ansible_host", "write hosts['db1'].address"),
            ("ansible_host", ""),
        ] {
            assert_eq!(hint(path), expected, "{path}");
        }
    }
}
