# Begins a release: its record, then a copy of the live tree, which appears whole. Arguments: the folder of releases, the
# release's name, its record, the live tree or nothing. What can share its blocks with the original shares them; hard links
# would let the new release write into the old one.
set -u
cd "$1" || exit
rm -rf "./$2" "./$2.part" || exit
# A second ago: where find compares whole seconds, what is written in this one must count as younger.
: >"./$2.since" && touch -d "@$(($(date +%s) - 1))" "./$2.since" || exit
printf '%s' "$3" >"./$2.json.new" && mv -f "./$2.json.new" "./$2.json" || exit
[ -n "$4" ] || exit 0
if ! cp -a --reflink=auto -- "$4/." "./$2.part" 2>/dev/null; then
    rm -rf "./$2.part"
    if ! cp -a -- "$4/." "./$2.part"; then
        rm -rf "./$2.part" "./$2.json" "./$2.since"
        exit 1
    fi
fi
mv "./$2.part" "./$2"
