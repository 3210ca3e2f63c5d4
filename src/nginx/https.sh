# Asks the https URL $1 at the address in CONNECT_TO and succeeds when the status is one of those in STATUS. Whose the
# certificate is does not matter here: the host asks itself.
set -u
status=$(curl --silent --show-error --insecure --globoff --max-time "$SECONDS_LEFT" --output /dev/null \
    --write-out '%{http_code}' --connect-to "$CONNECT_TO" -- "$1") || {
    code=$?
    [ "$code" -ne 127 ] || echo "$1 cannot be asked: the host has no curl" >&2
    exit "$code"
}
case $STATUS in
    *" $status "*) exit 0 ;;
esac
echo "$1 answered $status" >&2
exit 1
