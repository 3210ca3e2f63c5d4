# Reads requests until the pipe ends.

clean_up() {
    if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
    if [ -n "$unfinished" ]; then rm -f "$unfinished"; fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM


exec 3>&1
IFS=' '
while IFS= read -r request; do
    IFS=' '
    set -- $request
    number=$1 verb=$2
    shift 2
    # A verb that ends so may work a file that has more than one name.
    case $verb in *_linked) links_are_fine=yes verb=${verb%_linked} ;; *) links_are_fine= ;; esac
    count=$#
    while [ "$count" -gt 0 ]; do
        case $1 in
            =*) decode "$1" ;;
            *) decoded=$1 ;;
        esac
        shift
        set -- "$@" "$decoded"
        count=$((count - 1))
    done
    case $verb in
        # These two change what this shell itself holds, so they cannot run in a subshell.
        lock) lock "$@" 2>/dev/null; status=$? ;;
        run) open_life 2>/dev/null; errors=$("do_$verb" "$@" 2>&1 >&3); status=$? ;;
        write) unfinished=$1/$2; errors=$("do_$verb" "$@" 2>&1 >&3); status=$?; [ "$8" = more ] || unfinished= ;;
        *) errors=$("do_$verb" "$@" 2>&1 >&3); status=$? ;;
    esac
    mark .
    printf %s "$errors"
    mark "$status"
done
