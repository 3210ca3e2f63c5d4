# Waits until a container is ready: healthy where it has a health check, else up for some seconds without a restart.
#   CONTAINER WITHIN_SECS STAYS_SECS
set -u
format='{{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.State.ExitCode}}'
container=$1 within=$2 stays=$3
began=$(date +%s)
while :; do
    state=$(docker container inspect --format "$format" "$container") || exit 1
    set -- $state
    passed=$(($(date +%s) - began))
    case $1 in
        running | restarting) ;;
        *) echo "it ended with exit status $4 after $passed s" >&2; exit 1 ;;
    esac
    # Who starts it sets the count to 0; who only looks at it takes it as it is.
    if [ "$within" -gt 0 ] && [ "$2" -gt 0 ]; then
        # Of one that runs again Docker tells 0.
        case $1 in restarting) why=" with exit status $4" ;; *) why= ;; esac
        echo "it ended$why and was started again" >&2
        exit 1
    fi
    case $1.$3 in
        running.healthy) exit 0 ;;
        running.unhealthy) echo "its health check fails" >&2; exit 1 ;;
        running.none) [ "$passed" -lt "$stays" ] || exit 0 ;;
    esac
    if [ "$passed" -ge "$within" ]; then
        echo "it is not ready after $passed s (health: $3)" >&2
        exit 1
    fi
    sleep 0.2 2>/dev/null || sleep 1
done
