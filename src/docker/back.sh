# Takes a change of a container or an image's name back, also when that change was never finished.
#   remove NAME · rename ID NAME · untag NAME · pause ID
set -u
case $1 in
    remove)
        docker container inspect "$2" >/dev/null 2>&1 || exit 0
        exec docker container rm --force --volumes "$2" ;;
    pause)
        docker container start "$2" >/dev/null && exec docker container pause "$2" ;;
    rename)
        [ "$(docker container inspect --format '{{.Name}}' "$2")" != "/$3" ] || exit 0
        exec docker container rename "$2" "$3" ;;
    untag)
        docker image inspect "$2" >/dev/null 2>&1 || exit 0
        exec docker image rm "$2" ;;
esac
