# The last log lines of the services of a compose project that do not run as they should. PROJECT LINES
set -u
format='{{.State.Status}}.{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}.{{.State.ExitCode}}'
for id in $(docker container ls --all --quiet --filter "label=com.docker.compose.project=$1"); do
    case $(docker container inspect --format "$format" "$id") in
        running.none.* | running.healthy.* | exited.*.0) continue ;;
    esac
    name=$(docker container inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$id")
    docker container logs --tail "$2" "$id" 2>&1 | sed "s/^/$name | /"
done
