#!/bin/sh
# Plays dockerd for `windlass demo`: reads its configuration as strictly, and remembers the resolvers it started with.
root=${0%/usr/bin/*}
state=$root/run/demo
config=/etc/docker/daemon.json
validate=

while [ $# -gt 0 ]; do
    case $1 in
    --validate) validate=yes ;;
    --config-file) config=$2; shift ;;
    --config-file=*) config=${1#*=} ;;
    --version | -v) echo 'Docker version 27.3.1, build played'; exit 0 ;;
    *) echo "unknown flag: $1" >&2; exit 125 ;;
    esac
    shift
done

case $config in
"$root"/* | /dev/stdin) ;;
*) config=$root$config ;;
esac

# Whether stdin is one JSON object. Strings become s, other values v, and what is made of them v, until one v is left.
is_object() {
    awk '{ text = text $0 " " }
    END {
        if (text !~ /^[ \t\r]*\{/) exit 1
        gsub(/"([^"\\]|\\.)*"/, "s", text)
        gsub(/-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false|null/, "v", text)
        gsub(/[ \t\r]/, "", text)
        while (gsub(/\[([sv](,[sv])*)?\]|\{(s:[sv](,s:[sv])*)?\}/, "v", text)) continue
        exit text != "v"
    }'
}

# The strings of the key `dns` on stdin, one a line.
dns_of() {
    awk '{ text = text $0 " " }
    END {
        if (!match(text, /"dns"[ \t]*:[ \t]*\[[^]]*\]/)) exit
        list = substr(text, RSTART, RLENGTH)
        sub(/^[^[]*\[/, "", list)
        while (match(list, /"[^"]*"/)) {
            print substr(list, RSTART + 1, RLENGTH - 2)
            list = substr(list, RSTART + RLENGTH)
        }
    }'
}

text='{}'
[ "$config" = /dev/stdin ] || [ -e "$config" ] && text=$(cat "$config")
if ! printf '%s\n' "$text" | is_object; then
    echo "unable to configure the Docker daemon with file ${config#"$root"}: invalid JSON" >&2
    exit 1
fi
if [ -n "$validate" ]; then
    echo 'configuration OK'
    exit 0
fi

resolvers=$(printf '%s\n' "$text" | dns_of)
[ -n "$resolvers" ] || resolvers=$(sed -n 's/^nameserver *//p' "$root/etc/resolv.conf")
printf '%s\n' "$resolvers" >"$state/resolvers"
