# Says which of NAME=VERSION… an undo cannot install again, in one line; nothing when it can install them all. What is installed
# in this version needs no source. Fails where apt cannot be asked.
command -v apt-cache >/dev/null || exit 1
version() { dpkg-query --show --showformat '${Version} ${db:Status-Status}' -- "$1" 2>/dev/null | sed -n 's/ installed$//p'; }
lost=''
for word in "$@"; do
    name=${word%%=*} version=${word#*=}
    [ "$(version "$name")" != "$version" ] || continue
    offered=$(apt-cache madison "$name" 2>/dev/null) || exit 1
    printf '%s\n' "$offered" | awk -F ' *[|] *' -v want="$version" '$2 == want { found = 1 } END { exit !found }' ||
        lost="$lost, $name $version"
done
[ -z "$lost" ] || printf 'an undo cannot restore %s: no package source has it any more\n' "${lost#, }"
