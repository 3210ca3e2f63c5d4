# Says which of NAME=VERSION… an undo cannot install again, in one line; nothing when it can install them all. What is installed
# in this version needs no source. Fails where apt cannot be asked.
lost=''
for word in "$@"; do
    name=${word%%=*} version=${word#*=}
    [ "$(version "$name")" != "$version" ] || continue
    is_offered "$name" "$version"
    case $? in
    0) ;;
    1) lost="$lost, $name $version" ;;
    *) exit 1 ;;
    esac
done
[ -z "$lost" ] || printf 'an undo cannot restore %s: no package source has it any more\n' "${lost#, }"
