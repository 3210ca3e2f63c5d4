# Looks whether an app of pm2 runs, and with the same processes, five times: one that ends at once and is started again
# is seen so. Argument: the app.
set -u
first=
for look in 1 2 3 4 5; do
    now=$(pm2 pid "$1") || exit
    case $now in
        '' | 0) echo "$1 does not run"; exit 1 ;;
    esac
    : "${first:=$now}"
    if [ "$now" != "$first" ]; then
        echo "$1 ends and is started again"
        exit 1
    fi
    [ "$look" -eq 5 ] || sleep 0.2 2>/dev/null || sleep 1
done
