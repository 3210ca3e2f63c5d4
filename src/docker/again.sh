# Starts a container again; `ready.sh` follows.
docker container start "$1" >/dev/null || exit 1
