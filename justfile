# The few commands that a contributor needs. `just` lists them; CONTRIBUTING.md says more.

_default:
    @just --list --unsorted

# Type errors, quickly, of the program and all tests
check:
    cargo check --all-targets

# Tests that need no lab; a word chooses some of them
test *FILTER:
    cargo nextest run {{FILTER}}

# Every test, those on real hosts too, in hosts that are removed afterwards
test-all *FILTER:
    ./tests/run {{FILTER}}

# Starts the lab and leaves it running
lab:
    tests/lab/up

# Tests on the hosts of a lab that is running
test-lab *FILTER:
    WINDLASS_LAB="${WINDLASS_LAB:-$PWD/target/lab}" cargo nextest run --test lab {{FILTER}}

# Removes the lab
lab-down:
    tests/lab/down

# Formats every Rust file that git knows
format:
    git ls-files -z '*.rs' | xargs -0 rustfmt --edition 2024

# All that must hold before a change is merged
ci:
    bash .ci/run

# Lines per file and function, import circles, links, sizes, seconds of the last CI run
figures:
    ./tests/figures
