# Exits 0 when $1 names a program that may be run: a script only with the interpreter in its first line.
program=$(command -v "$1") && [ -x "$program" ] || exit 1
line=''
{ IFS= read -r line <"$program"; } 2>/dev/null
case $line in
'#!'*)
    set -f
    # shellcheck disable=SC2086  # Its words.
    set -- ${line#??}
    [ -x "$1" ]
    ;;
esac
