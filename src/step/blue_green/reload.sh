# Lets nginx read its configuration again and proves that it did. A port that is taken passes `nginx -t`, and `nginx -s
# reload` exits 0 while nginx goes on with the old configuration: only workers that were not there before tell. Then
# waits, at most DRAIN_SECS, until the old workers have answered what they had begun.
#   WITHIN_SECS DRAIN_SECS [--if-valid]     with the third, a configuration that nginx refuses is left alone
set -u
within=$1 drain=$2
if ! refused=$(nginx -t 2>&1); then
    [ "${3:-}" != --if-valid ] || exit 0
    printf '%s\n' "$refused" | grep -v 'test failed$' >&2
    exit 1
fi
pid_file=$(nginx -T 2>/dev/null | sed -n 's/^[[:space:]]*pid[[:space:]]\{1,\}\([^;]*\);.*/\1/p' | head -n 1)
master=$(cat "${pid_file:-/run/nginx.pid}" 2>/dev/null)
[ -n "$master" ] && [ -d "/proc/$master" ] || { echo "nginx does not run" >&2; exit 1; }
workers() {
    for status in $(grep -l "^PPid:[[:space:]]*$master\$" /proc/[0-9]*/status 2>/dev/null); do
        pid=${status#/proc/}
        pid=${pid%/status}
        case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
            *'shutting down'*) [ "$1" = old ] && echo "$pid" ;;
            *'worker process'*) [ "$1" = serving ] && echo "$pid" ;;
        esac
    done
}
short() { sleep 0.1 2>/dev/null || sleep 1; }
before=" $(workers serving | tr '\n' ' ')"
began=$(date +%s)
nginx -s reload || exit 1
while :; do
    new= left=
    for pid in $(workers serving); do
        case $before in *" $pid "*) left=$pid ;; *) new=$pid ;; esac
    done
    [ -n "$new" ] && [ -z "$left" ] && break
    if [ $(($(date +%s) - began)) -ge "$within" ]; then
        tail -n 3 /var/log/nginx/error.log 2>/dev/null >&2
        echo "nginx passed its test and goes on with the old configuration; its error log says why" >&2
        exit 1
    fi
    short
done
while [ -n "$(workers old)" ] && [ $(($(date +%s) - began)) -lt "$drain" ]; do short; done
exit 0
