# Takes a release away again. Arguments: the directory of releases, the release's name, the path that everybody uses, and
# where that leads while the release serves. One that was tried stays, for people to look at. One that served stays too when
# something was written into it since: that may be all that is left of it. It follows enter.sh.
set -u
[ -d "$1" ] || exit 0
enter_ours "$1"
[ "$(readlink "$3")" != "$4" ] || { echo "release $2 still serves" >&2; exit 1; }
state=$(sed -n 's/^{"state":"\([a-z]*\)".*/\1/p' "./$2.json" 2>/dev/null)
case $state in
    trying | bad) exit 0 ;;
    good)
        written=$(find "./$2" -newer "./$2.since" | head -n 1) || exit 0
        [ -z "$written" ] || exit 0
        ;;
esac
for left in "$2" "$2.part" "$2.since" "$2.json"; do remove_all "$left" || exit; done
