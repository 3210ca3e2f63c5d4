#!/bin/sh
# Plays docker for `windlass demo`. Containers are the lines `id name image` of a file, and one that is started has
# the resolvers that dockerd was last started with, whatever its configuration says by now.
root=${0%/usr/bin/*}
state=$root/run/demo

fail() {
    echo "$2" >&2
    exit "$1"
}

need_daemon() {
    [ "$(cat "$state/units/docker/active")" = active ] ||
        fail 1 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?'
}

# Prints the container $1 (id, name, image) in the way that the template $2 asks for.
show() {
    printf '%s\n' "$2" | sed -e "s/{{ *\.I[Dd] *}}/$1/g" -e "s/{{ *\.Names* *}}/$3/g" \
        -e "s|{{ *\.\(Config\.\)*Image *}}|$4|g" -e 's/{{ *\.State\.Running *}}/true/g' \
        -e 's/{{ *\.State\(\.Status\)* *}}/running/g' -e 's/{{ *\.Status *}}/Up 3 days/g' \
        -e 's/{{ *\.RestartCount *}}/0/g'
}

each_container() {
    while read -r id name image; do
        show "$id" "$1" "$name" "$image"
    done <"$state/containers"
}

ps_() {
    format='{{.ID}}   {{.Image}}   {{.Status}}   {{.Names}}'
    while [ $# -gt 0 ]; do
        case $1 in
        -q | --quiet | -aq | -qa) format='{{.ID}}' ;;
        --format) format=$2; shift ;;
        --format=*) format=${1#*=} ;;
        --filter | -f) shift ;;
        esac
        shift
    done
    each_container "$format"
}

inspect() {
    format='[{"Id": "{{.Id}}", "Name": "/{{.Name}}", "State": {"Status": "running", "Running": true}}]'
    names=
    while [ $# -gt 0 ]; do
        case $1 in
        --format | -f) format=$2; shift ;;
        --format=*) format=${1#*=} ;;
        --type | -s) shift ;;
        --type=* | --size) ;;
        *) names="$names $1" ;;
        esac
        shift
    done
    for wanted in $names; do
        line=$(awk -v wanted="$wanted" '$1 == wanted || $2 == wanted' "$state/containers")
        [ -n "$line" ] || fail 1 "Error: No such object: $wanted"
        printf '%s\n' "$line" | while read -r id name image; do
            show "$id" "$format" "$name" "$image"
        done
    done
}

# What a command prints inside a container that is started now.
inside() {
    case $* in
    'cat /etc/resolv.conf') sed 's/^/nameserver /' "$state/resolvers" ;;
    'true' | '/bin/true' | '') ;;
    *) fail 127 "this docker is played by a script and does not know how a container runs: $*" ;;
    esac
}

run() {
    entry=
    while [ $# -gt 0 ]; do
        case $1 in
        --entrypoint) entry=$2; shift 2 ;;
        --name | --network | --pull | -e | -v | --label | --stop-timeout) shift 2 ;;
        -*) shift ;;
        *) break ;;
        esac
    done
    image=${1%:latest}
    image=${image#sha256:played-}
    grep -qxF "$image" "$state/images" || fail 125 "Unable to find image '$1' locally"
    shift
    inside $entry "$@"
}

# Every container here runs already: a restart of dockerd starts them again.
start() {
    for wanted in "$@"; do
        awk -v wanted="$wanted" '$1 == wanted || $2 == wanted { found = 1 } END { exit !found }' \
            "$state/containers" || fail 1 "Error response from daemon: No such container: $wanted"
        echo "$wanted"
    done
}

exec_() {
    while [ "${1#-}" != "$1" ]; do shift; done
    shift
    inside "$@"
}

images() {
    case " $* " in
    *' -q '* | *' --quiet '*) sed 's/.*/sha256:played-&/' "$state/images" ;;
    *) cat "$state/images" ;;
    esac
}

verb=$1
[ $# -gt 0 ] && shift
case $verb in
--version | -v) echo 'Docker version 27.3.1, build played'; exit 0 ;;
container | image)
    verb="$verb $1"
    shift
    ;;
esac
need_daemon
case $verb in
ps | 'container ls' | 'container ps') ps_ "$@" ;;
inspect | 'container inspect') inspect "$@" ;;
run | 'container run') run "$@" ;;
start | 'container start') start "$@" ;;
exec | 'container exec') exec_ "$@" ;;
images | 'image ls') images "$@" ;;
'image inspect') grep -qxF "${1%:latest}" "$state/images" || fail 1 "Error: No such image: $1" ;;
info | version) echo '27.3.1' ;;
*) fail 64 "this docker is played by a script and does not know: $verb" ;;
esac
