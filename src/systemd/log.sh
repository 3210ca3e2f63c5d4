# Says why the unit NAME does not run: what its processes wrote in their last run, else what systemd says of it.
set -u
unit=$1
show() { systemctl show --no-pager -p "$1" -- "$unit" 2>/dev/null | sed -n "s/^$1=//p" | head -n 1; }
id=$(show Id)
run=$(show InvocationID)
journal() { journalctl --no-pager --quiet -n 60 -o cat "$@" 2>/dev/null; }
said=
if [ -n "$run" ]; then
    said=$(journal "_SYSTEMD_INVOCATION_ID=$run" "_SYSTEMD_UNIT=${id:-$unit}")
fi
# systemd's own lines about starting and stopping say nothing of the reason.
[ -n "$said" ] || said=$(journal -u "$unit" | grep -v -e '^Start' -e '^Stopp' -e ': Deactivated successfully' -e ': Consumed ' -e ': Scheduled restart job')
result=$(show Result)
status=$(show ExecMainStatus)
case $result in
success | '')
    if [ -z "$said" ]; then
        # A unit that runs did not fail: the command's own words say what did.
        case $(show ActiveState) in active | reloading) exit 0 ;; esac
        said="it ended by itself, with exit status ${status:-0}, and wrote nothing"
    fi
    ;;
*)
    case $(show ActiveState) in
    active | reloading) state='is up' ;;
    activating) state='is down, and systemd tries to start it again' ;;
    *) state='is down' ;;
    esac
    said="$said
(${id:-$unit} $state: $result, exit status $status)"
    ;;
esac
printf '%s\n' "$said"
