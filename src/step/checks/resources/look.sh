# Tells what a host's processors and network do for a second, and how often containers were restarted. Only looks.
#
#   cpu     BUSY-TICKS ALL-TICKS     before and after
#   network RECEIVED SENT            in bytes since boot, without the loopback; before and after
#   docker  answers|silent|absent
#   container NAME RESTARTS STATE
LC_ALL=C
export LC_ALL

bounded() {
    if command -v timeout >/dev/null 2>&1; then timeout 20 "$@"; else "$@"; fi
}

sample() {
    awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print "cpu\t" all - $5 - $6 "\t" all }' /proc/stat
    tr ':' ' ' </proc/net/dev | awk 'FNR > 2 && $1 != "lo" { received += $2; sent += $10 }
        END { printf "network\t%.0f\t%.0f\n", received, sent }'
}

docker_says() {
    command -v docker >/dev/null 2>&1 || {
        printf 'docker\tabsent\n'
        return
    }
    for _ in 1 2 3; do
        ids=$(bounded docker ps --all --quiet --no-trunc 2>/dev/null) || break
        if [ -z "$ids" ]; then
            printf 'docker\tanswers\n'
            return
        fi
        form='container{{"\t"}}{{.Name}}{{"\t"}}{{.RestartCount}}{{"\t"}}{{.State.Status}}'
        # shellcheck disable=SC2086 # Ids are hexadecimal.
        if told=$(bounded docker inspect --format "$form" $ids 2>/dev/null); then
            printf '%s\ndocker\tanswers\n' "$told"
            return
        fi
    done
    printf 'docker\tsilent\n'
}

sample
sleep 1
sample
docker_says
