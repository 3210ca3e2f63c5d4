# Makes the links of units what they were before systemctl changed them, and an init script of the same name what VERB makes
# it: VERB NAME DIRECTORY... -- UNIT... -- [LINK TARGET]...
set -u
verb=$1 script=/etc/init.d/${2%.service}
shift 2
directories= family= before= failed=0
while [ "$1" != -- ]; do directories="$directories $1" && shift; done
shift
while [ "$1" != -- ]; do family="$family $1" && shift; done
shift
newline='
'
while [ "$#" -gt 1 ]; do
    before="$before$newline$1$newline"
    if [ "$(readlink "$1")" != "$2" ]; then
        mkdir -p "${1%/*}" && { [ ! -L "$1" ] || rm -f "$1"; } && ln -s "$2" "$1" || failed=1
    fi
    shift 2
done
for directory in $directories; do
    for link in "$directory"/* "$directory"/*.wants/* "$directory"/*.requires/* "$directory"/*.upholds/*; do
        [ -L "$link" ] || continue
        target=$(readlink "$link") || continue
        case " $family " in *" ${link##*/} "* | *" ${target##*/} "*) ;; *) continue ;; esac
        case $before in *"$newline$link$newline"*) continue ;; esac
        rm -f "$link" || failed=1
        [ "${link%/*}" = "$directory" ] || rmdir "${link%/*}" 2>/dev/null
    done
done
if [ -f "$script" ]; then
    for install in /usr/lib/systemd/systemd-sysv-install /lib/systemd/systemd-sysv-install; do
        [ -x "$install" ] || continue
        case $verb in enable | disable) "$install" "$verb" "${script##*/}" || failed=1 ;; esac
        break
    done
fi
systemctl daemon-reload || failed=1
exit "$failed"
