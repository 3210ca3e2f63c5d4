//! What can only be a mistake, and what looks like one and is none.

use super::*;

#[test]
fn a_text_instead_of_a_table_and_a_block_without_steps_are_pointed_at() {
    check(
        "[[steps]]\ncommand = 'echo a'\n[[steps]]\nblock = []\n",
        expect![[r#"
            error: expected a map, found a string
             --> playbooks/x.toml:2:11
              |
            2 | command = 'echo a'
              |           ^^^^^^^^
              |
              = hint: write a table: command = { shell = "echo a" }

            error: this block has no steps
             --> playbooks/x.toml:4:9
              |
            4 | block = []
              |         ^^
              |
              = hint: give it [[steps.block]], or leave it out
        "#]],
    );
}

#[test]
fn what_can_only_be_a_mistake_is_refused() {
    check(
        "[vars]\nnot = 1\n[params.a]\ntype = 'integer'\ndefault = '5'\n[[steps]]\nloop = [1]\nregister = 'item'\ndebug = { message = 'x' }\n[[steps]]\nuntil = 'result.changed'\nretries = 0\nset = { true = 1 }\n",
        expect![[r#"
            error: `a` must be an integer, found a string
             --> playbooks/x.toml:5:11
              |
            5 | default = '5'
              |           ^^^ the default of `a`
              |
              = hint: write 5, without quotes

            error: `not` cannot be the name of a variable: it is a word of expressions
             --> playbooks/x.toml:2:1
              |
            2 | not = 1
              | ^^^
              |
              = hint: choose another name

            error: `item` is the element of this loop
             --> playbooks/x.toml:8:12
              |
            8 | register = 'item'
              |            ^^^^^^
              |
              = hint: choose another name for the result

            error: with `retries = 0` the step is tried once only
              --> playbooks/x.toml:12:11
               |
            12 | retries = 0
               |           ^
               |
               = hint: write how often it is retried, or leave out `until`

            error: `true` cannot be the name of a variable: it is a word of expressions
              --> playbooks/x.toml:13:9
               |
            13 | set = { true = 1 }
               |         ^^^^
               |
               = hint: choose another name
        "#]],
    );
}

#[test]
fn set_takes_the_names_of_functions() {
    check(
        "[[steps]]\nset = { env = 'prod', file = 1, q = 1, query = 1, loop = 1, range = 1, dict = 1, now = 1, lookup = 1, namespace = 1, self = 1, super = 1, caller = 1, omit = 1, undef = 1 }\n",
        expect![[""]],
    );
    check(
        "[[steps]]\nset = { hosts = 1, result = 1 }\n",
        expect![[r#"
            error: `hosts` is a name that expressions know already
             --> playbooks/x.toml:2:9
              |
            2 | set = { hosts = 1, result = 1 }
              |         ^^^^^
              |
              = hint: choose another name for the variable

            error: `result` is a name that expressions know already
             --> playbooks/x.toml:2:20
              |
            2 | set = { hosts = 1, result = 1 }
              |                    ^^^^^^
              |
              = hint: choose another name for the variable
        "#]],
    );
}

#[test]
fn a_relative_path_on_a_host_is_refused() {
    check(
        "[[steps]]\nfile = { path = 'etc/motd' }\n[[steps]]\nabsent = { paths = ['/a', '~/x'] }\n[[steps]]\ncommand = { argv = ['x'], creates = './x' }\n[[steps]]\nsymlink = { path = '/a', target = 'b' }\n[[steps]]\nfile = { path = '{{ p }}/x' }\n",
        expect![[r#"
            error: a path on a host must begin with /
             --> playbooks/x.toml:2:17
              |
            2 | file = { path = 'etc/motd' }
              |                 ^^^^^^^^^^
              |
              = hint: write "/etc/motd", or the whole path

            error: a path on a host must begin with /
             --> playbooks/x.toml:4:27
              |
            4 | absent = { paths = ['/a', '~/x'] }
              |                           ^^^^^
              |
              = hint: write the home directory itself: /root, /home/NAME

            error: a path on a host must begin with /
             --> playbooks/x.toml:6:37
              |
            6 | command = { argv = ['x'], creates = './x' }
              |                                     ^^^^^
              |
              = hint: write the whole path
        "#]],
    );
}
