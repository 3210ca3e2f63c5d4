# Tells who listens on this host, a fact a line, its parts separated by tabs. Only looks.
#
#   user    UID
#   socket  PROTOCOL ADDRESS:PORT INODE         as the kernel writes them, in hexadecimal
#   holder  INODE PID
#   process PID PARENT START NAME PARENT'S-NAME CGROUP COMMAND-LINE     words of the command line end with \037
#   daemon  NAME                                each dockerd and containerd-shim that runs
#   docker  answers|silent|absent
#   container ID NAME SERVICE ADDRESSES PORTS   each that runs; PORTS is JSON
LC_ALL=C
export LC_ALL
tab=$(printf '\t')

# A dockerd that hangs must not hold up the look.
bounded() {
    if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi
}

sockets() {
    for table in tcp tcp6 udp udp6; do
        [ -r "/proc/net/$table" ] || continue
        # 0A listens; 07 with no other end is a UDP socket that takes from everybody.
        awk -v table="$table" -v OFS='\t' '
            FNR > 1 && ($4 == "0A" || ($4 == "07" && $3 ~ /:0000$/)) { print "socket", table, $2, $10 }
        ' "/proc/net/$table"
    done
}

holders() {
    # shellcheck disable=SC2012 # Names below /proc are numbers, and find has no -printf everywhere.
    ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v OFS='\t' -v sockets="$1" '
        BEGIN {
            many = split(sockets, words, /[\t\n]/)
            for (word = 4; word <= many; word += 4) wanted[words[word]]
        }
        /^\/proc\// { split($0, part, "/"); pid = part[3]; next }
        match($0, /socket:\[[0-9]+\]$/) {
            inode = substr($0, RSTART + 8, RLENGTH - 9)
            if (inode in wanted && !seen[inode, pid]++) print "holder", inode, pid
        }'
}

process() {
    read -r stat <"/proc/$1/stat" || return
    name=${stat#*\(}
    name=${name%\)*}
    # shellcheck disable=SC2086 # What follows the name are numbers.
    set -- "$1" ${stat##*\) }
    parent=$3 start=${21}
    parent_name=
    read -r parent_name <"/proc/$parent/comm"
    cgroup=
    while read -r line; do
        case $line in
        0::* | *:name=systemd:*) cgroup=${line##*:} ;;
        esac
        case $cgroup in */*.service | */*.scope | */docker/*) break ;; esac
    done <"/proc/$1/cgroup"
    # No docker-proxy has a longer command line, and of the others only the name is told.
    words=$(tr '\000\n\t' '\037  ' <"/proc/$1/cmdline" | cut -c 1-400)
    printf 'process\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
        "$1" "$parent" "$start" "$name" "$parent_name" "$cgroup" "$words"
}

docker_says() {
    if ! command -v docker >/dev/null 2>&1; then
        echo "docker${tab}absent"
        return
    fi
    form='container{{"\t"}}{{.Id}}{{"\t"}}{{.Name}}{{"\t"}}{{index .Config.Labels "com.docker.compose.service"}}{{"\t"}}'
    form=$form'{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}{{"\t"}}{{json .NetworkSettings.Ports}}'
    # A container that ends between the two questions spoils the second.
    for _ in 1 2 3; do
        ids=$(bounded docker ps --quiet --no-trunc 2>/dev/null) || break
        if [ -z "$ids" ]; then
            echo "docker${tab}answers"
            return
        fi
        # shellcheck disable=SC2086 # Ids are hexadecimal.
        if containers=$(bounded docker inspect --format "$form" $ids 2>/dev/null); then
            printf '%s\n' "$containers" "docker${tab}answers"
            return
        fi
    done
    echo "docker${tab}silent"
}

echo "user${tab}$(id -u)"
sockets=$(sockets)
[ -z "$sockets" ] || printf '%s\n' "$sockets"
holders=$(holders "$sockets")
[ -z "$holders" ] || printf '%s\n' "$holders"
for pid in $(printf '%s\n' "$holders" | cut -f 3 | sort -un); do
    process "$pid" 2>/dev/null
done
cat /proc/[0-9]*/comm 2>/dev/null | grep -E '^(dockerd|containerd-shim)' | sort -u | sed "s/^/daemon$tab/"
docker_says
