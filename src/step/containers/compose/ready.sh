# Waits until the services of a compose project are ready: healthy where they have a health check, else up for some
# seconds without a restart; jobs have ended well.
#   PROJECT WITHIN_SECS STAYS_SECS " SERVICE … " " JOB … "     (no services: all)
set -u
format='{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.State.ExitCode}}'
project=$1 within=$2 stays=$3 services=$4 jobs=$5
began=$(date +%s)
fail() { echo "$1" >&2; exit 1; }
is_in() { case $2 in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
while :; do
    passed=$(($(date +%s) - began))
    waiting=
    ids=$(docker container ls --all --quiet --filter "label=com.docker.compose.project=$project" \
        --filter label=com.docker.compose.oneoff=False) || exit 1
    for id in $ids; do
        state=$(docker container inspect --format "$format" "$id") || continue
        set -- $state
        [ "$services" = "  " ] || is_in "$1" "$services" || continue
        case $2 in
            running) ;;
            exited) is_in "$1" "$jobs" && [ "$5" -eq 0 ] && continue
                fail "service $1 ended with exit status $5" ;;
            restarting) fail "service $1 ended with exit status $5 and is started again and again" ;;
            *) fail "service $1 is $2" ;;
        esac
        [ "$3" -eq 0 ] || [ "$passed" -ge "$stays" ] || waiting="$1 was restarted"
        case $4 in
            healthy) ;;
            unhealthy) fail "the health check of service $1 fails" ;;
            none) is_in "$1" "$jobs" && waiting="job $1 still runs"
                [ "$passed" -ge "$stays" ] || waiting="$1 has just been started" ;;
            *) waiting="service $1 is still $4" ;;
        esac
    done
    [ -n "$waiting" ] || exit 0
    [ "$passed" -lt "$within" ] || fail "not ready after $passed s: $waiting"
    sleep 0.3 2>/dev/null || sleep 1
done
