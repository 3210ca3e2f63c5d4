docker container start "$1" >/dev/null || exit 1
