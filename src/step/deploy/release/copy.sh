# Begins a release: its record, then a copy of the live tree, which appears whole. Arguments: the directory of releases, the
# release's name, its record, the live tree or nothing. It follows enter.sh and copy-tree.sh.
set -u
name=$2
enter_ours "$1"
for left in "$name" "$name.part" "$name.since" "$name.json.new"; do remove_all "$left" || exit; done
# A second ago: where find compares whole seconds, what is written in this one must count as younger.
: >"./$name.since" && touch -d "@$(($(date +%s) - 1))" "./$name.since" || exit
printf '%s' "$3" >"./$name.json.new" && mv -f "./$name.json.new" "./$name.json" || exit
[ -n "$4" ] || exit 0
if ! copy_tree "$4" "$name.part"; then
    for left in "$name.part" "$name.json" "$name.since"; do remove_all "$left"; done
    exit 1
fi
mv "./$name.part" "./$name"
