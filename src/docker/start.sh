# Runs a command of Docker's. When a port that it needs is taken, the last line says by whom. COMMAND…
set -u
said=$("$@" 2>&1 </dev/null)
status=$?
printf '%s\n' "$said"
[ $status -ne 0 ] || exit 0
port=$(printf '%s\n' "$said" | sed -n \
    -e 's/.*Bind for [^ ]*:\([0-9]*\) failed: port is already allocated.*/\1/p' \
    -e 's/.*listen [a-z0-9]* [^ ]*:\([0-9]*\): bind: address already in use.*/\1/p' | head -n 1)
if [ -n "$port" ]; then
    container=$(docker container ls --filter "publish=$port" --format 'container {{.Names}}' | head -n 1)
    process=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/process \1/p' | head -n 1)
    holder=${container:-${process:-an unknown process}}
    echo "port $port is already allocated: $holder holds it" >&2
fi
exit $status
