# Prints what systemctl changes when it enables, disables or masks a unit: the units that [Install] sections name in Also=,
# and the links that are there for the unit and for these: UNIT DIRECTORY...
set -u
family= wanted=$1 count=0
shift
while [ -n "$wanted" ] && [ "$count" -lt 64 ]; do
    unit=${wanted%% *}
    wanted=${wanted#"$unit"}
    wanted=${wanted# }
    case " $family " in *" $unit "*) continue ;; esac
    [ -z "$family" ] || printf 'also\t%s\n' "$unit"
    family="$family $unit" count=$((count + 1))
    stem=${unit%.*}
    instance=
    case $stem in *@*) instance=${stem#*@} ;; esac
    more=$(systemctl cat --no-pager -- "$unit" 2>/dev/null | awk '
        /\\$/ { sub(/\\$/, " "); held = held $0; next }
        { line = held $0; held = "" }
        line ~ /^\[/ { install = line ~ /^\[Install\]/ }
        install && line ~ /^[ \t]*Also[ \t]*=/ { sub(/^[^=]*=/, "", line); print line }
    ' | tr -s ' \t\n' '   ' | sed "s/%[iI]/$instance/g; s/%p/${stem%%@*}/g; s/%[nN]/$stem/g; s/^ //; s/ \$//")
    for next in $more; do
        case $next in *[!A-Za-z0-9:_.@\\-]*) continue ;; esac
        wanted="${wanted:+$wanted }$next"
    done
done
for directory do
    for link in "$directory"/* "$directory"/*.wants/* "$directory"/*.requires/* "$directory"/*.upholds/*; do
        [ -L "$link" ] || continue
        target=$(readlink "$link") || continue
        case " $family " in
            *" ${link##*/} "* | *" ${target##*/} "*) printf 'link\t%s\t%s\n' "$link" "$target" ;;
        esac
    done
done
