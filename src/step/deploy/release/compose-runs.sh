# Looks whether the container of a compose service runs, five times within about a second: one that ends at once is seen
# so. Arguments: the service, then compose with its options.
set -u
service=$1
shift
id=$("$@" ps -q "$service") || exit
if [ -z "$id" ]; then
    echo "$service has no container"
    exit 1
fi
for look in 1 2 3 4 5; do
    for one in $id; do
        state=$(docker inspect --format '{{.State.Status}}' "$one") || exit
        if [ "$state" != running ]; then
            echo "$service is $state"
            exit 1
        fi
    done
    [ "$look" -eq 5 ] || sleep 0.2 2>/dev/null || sleep 1
done
