# Undoes a change of ufw's rules with a command, then gives them the order that they had, unless others have changed them
# since: SIZE COMMAND...; on standard input the user.rules of then, which has SIZE bytes, and its user6.rules.
set -u
size=$1
shift
"$@" </dev/null >&2 || exit
cd /etc/ufw || exit
umask 077
trap 'rm -f .windlass.rules .windlass.user.rules .windlass.user6.rules' EXIT
cat >.windlass.rules
head -c "$size" .windlass.rules >.windlass.user.rules
tail -c "+$((size + 1))" .windlass.rules >.windlass.user6.rules
rules() { grep '^### tuple' "$1" | sort; }
for file in user.rules user6.rules; do
    [ "$(rules "$file")" = "$(rules ".windlass.$file")" ] || exit 0
done
for file in user.rules user6.rules; do
    ! cmp -s "$file" ".windlass.$file" || continue
    chown --reference="$file" ".windlass.$file" && chmod --reference="$file" ".windlass.$file" &&
        mv ".windlass.$file" "$file" || exit
done
case $(ufw status) in *'Status: active'*) ufw reload >&2 ;; esac
