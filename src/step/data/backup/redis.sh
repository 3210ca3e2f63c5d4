# Writes to standard output what Redis would keep on disk.
#   $1 password or none   the rest: redis-cli's arguments for the connection
# A password is the first line of standard input.
set -eu
password=$1
shift
if [ "$password" = password ]; then
    IFS= read -r REDISCLI_AUTH
    export REDISCLI_AUTH
fi

take() { redis-cli "$@" --rdb - </dev/null; }

# A server that sends it without a file of its own marks its end with 40 letters, which are not part of it.
sends_mark=$(redis-cli "$@" config get repl-diskless-sync </dev/null 2>/dev/null | tail -n 1)
if [ "$sends_mark" != yes ]; then
    take "$@"
    exit
fi
{ failed=$({ { take "$@" || echo failed >&5; } | head -c -40 >&4; } 5>&1); } 4>&1
[ -z "$failed" ]
