//! What people who know Ansible write, and what it is called here: one line for each.

/// Keys of a play or of a file.
const OF_PLAYBOOKS: &[(&str, &str)] = &[
    ("tasks", "write [[steps]]: Ansible's tasks are steps here"),
    ("pre_tasks", "write them as the first [[steps]]"),
    ("post_tasks", "write them as the last [[steps]], or as [[always]]"),
    ("play", "write [[plays]]"),
    ("name", "a playbook is called as its file; what it is for goes into `description`"),
    ("gather_facts", "leave it out: a fact is read when an expression names it"),
    ("remote_user", "the login name belongs to the inventory: ssh = { user = \"deploy\" }; or `--user`"),
    ("user", "the login name belongs to the inventory: ssh = { user = \"deploy\" }; or `--user`"),
    ("sudo", "write become = true"),
    ("become_user", "the user for hosts belongs to the inventory; a single step has `become_user`"),
    ("become_method", "it belongs to the inventory: ssh = { become_method = \"su\" }"),
    ("max_fail_percentage", "write max_failures = \"30%\": no further host starts once that many failed"),
    ("any_errors_fatal", "write max_failures = 1: no further host starts after the first failure"),
    ("vars_files", "give files of variables with `-e @file`, or write [vars]"),
    ("vars_prompt", "declare a param of type \"secret\": [params.NAME]"),
    ("roles", "take them in as steps: [[steps]] role = \"NAME\""),
    ("strategy", "leave it out: each host goes on as fast as it can"),
    ("connection", "it belongs to the inventory: ssh = { via = \"local\" }"),
    ("environment", "it is a key of a step"),
    ("tags", "it is a key of a step or of an include"),
    ("port", "it belongs to the inventory: ssh = { port = 2222 }"),
    ("forks", "it is an option, `--forks`, or a key of windlass.toml"),
    ("collections", "leave it out: windlass brings its step kinds with it"),
    ("module_defaults", "leave it out: write the keys with each step"),
    ("force_handlers", "leave it out: handlers also run when a step has failed"),
    ("order", "leave it out: hosts are in the order of the inventory"),
    ("timeout", "it is a key of a step, or the option `--timeout` for a whole host"),
];

/// Keys of a task.
const OF_STEPS: &[(&str, &str)] = &[
    ("sudo", "write become = true, or become_user = \"NAME\""),
    ("sudo_user", "write become_user = \"NAME\""),
    ("become_method", "it belongs to the inventory: ssh = { become_method = \"su\" }"),
    ("remote_user", "the login name belongs to the inventory; a step has `become_user`"),
    ("delegate_to", "write on = \"NAME\", or on = \"controller\" for this machine"),
    ("delegate_facts", "leave it out: hosts['NAME'].facts gives the facts of any host"),
    ("local_action", "write on = \"controller\" beside the step's kind"),
    ("connection", "write on = \"controller\" for a step that is run on this machine"),
    ("args", "write the keys into the table of the kind: [steps.command]"),
    ("loop_control", "`loop_var` and `label` are keys of the step itself"),
    ("index_var", "use loop = \"{{ range(items | length) | list }}\" and items[item]"),
    ("ignore_unreachable", "leave it out: other hosts go on without one that cannot be reached"),
    ("any_errors_fatal", "write max_failures = 1 at the top of the playbook"),
    (
        "poll",
        "leave it out: a step with `async` is started, and a later step with wait = \"NAME\" waits for it",
    ),
    ("rescue", "it stands beside `block`: write block = [{ … }] with the steps that it is for"),
    ("always", "it stands beside `block`: write block = [{ … }] with the steps that it is for"),
    ("throttle", "write serial at the top of the playbook, or `--forks`"),
    (
        "check_mode",
        "leave it out: `--check` is of the whole run; a command that only looks has read_only = true",
    ),
    ("diff", "it is the option `--diff`"),
    ("debugger", "leave it out; `-v` shows more"),
    ("tag", "write tags = [\"NAME\"]"),
    ("hosts", "it is a key of the playbook; a step has `when`"),
    ("vars_files", "give files of variables with `-e @file`, or write vars = { }"),
    ("module_defaults", "leave it out: write the keys with each step"),
];

/// Modules, and the kinds that do the same.
const MODULES: &[(&str, &str)] = &[
    ("copy", "write [steps.file] with `source` or `content`"),
    ("shell", "write [steps.command] with shell = \"…\""),
    ("raw", "write [steps.command] with shell = \"…\""),
    ("cmd", "write [steps.command] with argv = [\"…\"] or shell = \"…\""),
    ("run", "write [steps.command] with argv = [\"…\"] or shell = \"…\""),
    ("apt", "write [steps.package]"),
    ("yum", "write [steps.package]"),
    ("dnf", "write [steps.package]"),
    ("apk", "write [steps.package]"),
    ("packages", "write [steps.package]"),
    ("pip", "write [steps.command] with argv = [\"pip\", …]"),
    ("npm", "write [steps.command] with argv = [\"npm\", …]"),
    ("git", "write [steps.command] with argv = [\"git\", …], or ship a release with [steps.release]"),
    ("lineinfile", "write [steps.line]"),
    ("replace", "write [steps.line]"),
    ("blockinfile", "write [steps.block]"),
    ("systemd", "write [steps.service]"),
    ("systemd_service", "write [steps.service]"),
    ("uri", "write [steps.http]"),
    ("get_url", "write [steps.command] with curl, or put the file below files/ and write [steps.file]"),
    ("unarchive", "write [steps.archive]"),
    ("synchronize", "write [steps.sync] or [steps.overlay]"),
    ("stat", "write [steps.check] with `files`, or [steps.command] with read_only = true"),
    ("set_fact", "write [steps.set]"),
    ("include_vars", "give files of variables with `-e @file`, or write [vars]"),
    ("include_tasks", "write include = \"other.toml\""),
    ("import_tasks", "write include = \"other.toml\""),
    ("import_playbook", "write include = \"other.toml\""),
    ("include_role", "write role = \"NAME\""),
    ("import_role", "write role = \"NAME\""),
    ("fail", "write [steps.assert] with `that` and `message`"),
    ("pause", "write [steps.wait_for]"),
    (
        "async_status",
        "write a step with wait = \"NAME\": it waits for the step of that name, which has `async`",
    ),
    ("meta", "handlers run at the end, or where a step has flush_handlers = {}"),
    ("ping", "leave it out: a host that cannot be reached ends as unreachable"),
    ("setup", "leave it out: a fact is read when an expression names it"),
    ("gather_facts", "leave it out: a fact is read when an expression names it"),
    ("ufw", "write [steps.firewall]"),
    ("iptables", "write [steps.firewall]"),
    ("firewalld", "write [steps.firewall]"),
    ("docker_container", "write [steps.container]"),
    ("docker_image", "write [steps.image]"),
    ("docker_compose", "write [steps.compose]"),
    ("docker_compose_v2", "write [steps.compose]"),
    ("docker_prune_all", "write [steps.docker_prune]"),
    ("postgresql_query", "write [steps.sql]"),
    ("mysql_query", "write [steps.sql]"),
    ("postgresql_db", "write [steps.sql]"),
    ("mysql_db", "write [steps.sql]"),
    ("slurp", "write [steps.fetch]"),
    ("link", "write [steps.symlink]"),
    ("touch", "write [steps.file]"),
    ("mkdir", "write [steps.directory]"),
    ("delete", "write [steps.absent]"),
    ("tempfile", "write [steps.command] with argv = [\"mktemp\"]"),
    ("known_hosts", "write [steps.line]"),
    ("crontab", "write [steps.cron]"),
    ("modprobe", "write [steps.command] with argv = [\"modprobe\", …]"),
    ("apt_repository", "write [steps.file] below /etc/apt/sources.list.d"),
    ("apt_key", "write [steps.file] below /etc/apt/keyrings"),
    ("ini_file", "write [steps.line]"),
    ("htpasswd", "write [steps.line]"),
    ("acl", "write [steps.command] with argv = [\"setfacl\", …]"),
    ("selinux", "write [steps.command]"),
];

/// Keys of modules: the kind here, the key, what to write.
const KEYS: &[(&str, &str, &str)] = &[
    ("file", "dest", "write `path`"),
    ("file", "src", "write `source`: a file below files/"),
    ("file", "state", "[steps.directory], [steps.symlink] and [steps.absent] are kinds of their own"),
    ("file", "backup", "leave it out: what a run changed can be undone with `windlass runs undo`"),
    ("file", "force", "leave it out: a file is written when it differs"),
    ("file", "recurse", "write [steps.directory]"),
    ("template", "dest", "write `path`"),
    ("template", "src", "write `source`: a file below templates/"),
    ("template", "backup", "leave it out: what a run changed can be undone with `windlass runs undo`"),
    ("command", "cmd", "write argv = [\"…\"], or shell = \"…\""),
    ("command", "chdir", "write `directory`"),
    ("command", "warn", "leave it out"),
    ("command", "executable", "write argv = [\"/bin/bash\", \"-c\", \"…\"]"),
    ("debug", "msg", "write `message`"),
    ("debug", "verbosity", "leave it out"),
    ("package", "update_cache", "write `update`"),
    ("package", "pkg", "write `name`"),
    ("package", "pkgs", "write `names`"),
    ("line", "regexp", "write `match`"),
    ("line", "dest", "write `path`"),
    ("line", "insertafter", "write `after`"),
    ("line", "insertbefore", "write `before`"),
    ("service", "service", "write `name`"),
    ("sysctl", "name", "write settings = { \"NAME\" = \"VALUE\" }"),
    ("sysctl", "key", "write settings = { \"NAME\" = \"VALUE\" }"),
    ("sysctl", "value", "write settings = { \"NAME\" = \"VALUE\" }"),
    ("sysctl", "sysctl_file", "write `file`"),
    ("sysctl", "reload", "leave it out: the kernel gets the settings at once"),
    ("cron", "job", "write `command`"),
    ("cron", "minute", "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\""),
    ("cron", "hour", "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\""),
    ("cron", "day", "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\""),
    ("cron", "month", "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\""),
    ("cron", "weekday", "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\""),
    ("cron", "special_time", "write schedule = \"@daily\""),
    ("cron", "env", "write `environment`"),
    ("assert", "fail_msg", "write `message`"),
    ("assert", "msg", "write `message`"),
    ("http", "status_code", "write `status`"),
    ("http", "return_content", "leave it out: the result has `body`"),
    ("archive", "src", "write `source`"),
    ("symlink", "src", "write `target`"),
    ("symlink", "dest", "write `path`"),
];

/// What to write instead of a key of a playbook.
pub fn of_playbook(key: &str) -> Option<&'static str> {
    found(OF_PLAYBOOKS, key)
}

/// What to write instead of a key or module of a task.
pub fn of_step(key: &str) -> Option<String> {
    if let Some(which) = key.strip_prefix("with_") {
        let hint = match which {
            "dict" => "write loop = \"{{ NAME | dict2items }}\"",
            "fileglob" => "write loop = \"{{ query('fileglob', 'files/*') }}\"",
            "sequence" => "write loop = \"{{ range(1, 5) | list }}\"",
            "nested" => "write loop = \"{{ ONE | product(OTHER) | list }}\"",
            "together" => "write loop = \"{{ ONE | zip(OTHER) | list }}\"",
            "subelements" => "write loop = \"{{ NAME | subelements('KEY') }}\"",
            _ => "write loop = [\"…\"], or loop = \"{{ NAME }}\"",
        };
        return Some(hint.to_string());
    }
    // `ansible.builtin.copy` is `copy`.
    let short = key.rsplit('.').next().unwrap_or(key);
    let own = crate::step::kind(short).filter(|_| short != key);
    found(OF_STEPS, key)
        .or_else(|| found(MODULES, short))
        .map(str::to_string)
        .or_else(|| own.map(|row| format!("write [steps.{}]", row.name)))
}

/// What to write instead of a module's key.
pub fn of_kind(kind: &str, key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(of, known, _)| *of == kind && *known == key).map(|(_, _, hint)| *hint)
}

fn found(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == key).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{KINDS, kind};

    /// The kinds that a hint names.
    fn named(hint: &str) -> Vec<String> {
        hint.split("[steps.").skip(1).filter_map(|rest| Some(rest.split_once(']')?.0.to_string())).collect()
    }

    #[test]
    fn what_is_named_is_there_and_what_is_there_is_not_renamed() {
        let hints = OF_STEPS.iter().chain(MODULES);
        for (key, hint) in hints {
            assert!(kind(key).is_none(), "{key} is a kind");
            named(hint).iter().for_each(|name| assert!(kind(name).is_some(), "{hint}"));
        }
        for (of, key, hint) in KEYS {
            let schema = (kind(of).unwrap_or_else(|| panic!("{of}")).schema)().to_value();
            let keys = schema["properties"].as_object().unwrap();
            assert!(!keys.contains_key(*key), "{of} has {key}");
            for word in hint
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|word| hint.starts_with("write `") && !word.contains(' '))
            {
                assert!(keys.contains_key(word), "{of} has no {word}");
            }
            named(hint).iter().for_each(|name| assert!(kind(name).is_some(), "{hint}"));
        }
        assert!(KINDS.iter().all(|row| of_step(&format!("ansible.builtin.{}", row.name)).is_some()));
    }
}
