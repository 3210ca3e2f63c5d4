#!/bin/sh
# Plays systemctl for `windlass demo`. A unit is a folder with the files `active`, `enabled` and `starts`.
root=${0%/usr/bin/*}
units=$root/run/demo/units
properties=
value=
quiet=
now=
verb=
wanted=

while [ $# -gt 0 ]; do
    case $1 in
    -p | --property) properties="$properties $2"; shift ;;
    --property=*) properties="$properties ${1#*=}" ;;
    -p*) properties="$properties ${1#-p}" ;;
    --value) value=yes ;;
    -q | --quiet) quiet=yes ;;
    --now) now=yes ;;
    -*) ;;
    *) [ -z "$verb" ] && verb=$1 || wanted="$wanted $1" ;;
    esac
    shift
done
properties=$(printf '%s' "$properties" | tr ',' ' ')

say() {
    [ -n "$quiet" ] || printf '%s\n' "$1"
}

exists() {
    [ -d "$units/$1" ]
}

need() {
    exists "$1" && return
    echo "Failed to $verb $1.service: Unit $1.service not found." >&2
    exit 5
}

start() {
    printf '%s\n' $(($(cat "$units/$1/starts") + 1)) >"$units/$1/starts"
    if [ "$1" = docker ] && ! "$root/usr/bin/dockerd"; then
        echo failed >"$units/docker/active"
        echo 'Job for docker.service failed because the control process exited with error code.' >&2
        exit 1
    fi
    echo active >"$units/$1/active"
}

stop() {
    echo inactive >"$units/$1/active"
}

is_active() {
    answer=inactive
    exists "$1" && answer=$(cat "$units/$1/active")
    say "$answer"
    [ "$answer" = active ] || exit 3
}

is_enabled() {
    if ! exists "$1"; then
        say not-found
        exit 4
    fi
    answer=$(cat "$units/$1/enabled")
    say "$answer"
    [ "$answer" = enabled ] || exit 1
}

property() {
    case $1 in
    Id) echo "$2.service" ;;
    LoadState) exists "$2" && echo loaded || echo not-found ;;
    ActiveState) exists "$2" && cat "$units/$2/active" || echo inactive ;;
    SubState) [ "$(property ActiveState "$2")" = active ] && echo running || echo dead ;;
    UnitFileState) exists "$2" && cat "$units/$2/enabled" || echo ;;
    InvocationID) exists "$2" && printf '%032d\n' "$(cat "$units/$2/starts")" || echo ;;
    MainPID) [ "$(property ActiveState "$2")" = active ] && echo 4242 || echo 0 ;;
    NRestarts) echo 0 ;;
    CanReload | NeedDaemonReload) echo no ;;
    *) echo ;;
    esac
}

show() {
    for name in ${properties:-Id LoadState ActiveState SubState UnitFileState InvocationID MainPID CanReload}; do
        [ -n "$value" ] && property "$name" "$1" || printf '%s=%s\n' "$name" "$(property "$name" "$1")"
    done
}

act() {
    case $verb in
    start) is_active_quietly "$1" || start "$1" ;;
    stop) stop "$1" ;;
    restart | reload-or-restart | try-restart) stop "$1"; start "$1" ;;
    enable) echo enabled >"$units/$1/enabled"; [ -z "$now" ] || start "$1" ;;
    disable) echo disabled >"$units/$1/enabled"; [ -z "$now" ] || stop "$1" ;;
    reset-failed) ;;
    *) echo "this systemctl is played by a script and does not know: $verb" >&2; exit 64 ;;
    esac
}

is_active_quietly() {
    [ "$(cat "$units/$1/active")" = active ]
}

[ "$verb" = daemon-reload ] && exit 0
for unit in $wanted; do
    unit=${unit%.service}
    case $verb in
    is-active) is_active "$unit" ;;
    is-enabled) is_enabled "$unit" ;;
    show) show "$unit" ;;
    *) need "$unit"; act "$unit" ;;
    esac
done
