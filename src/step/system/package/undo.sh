# Takes back what apt did. NAME_ was installed by it and not known before: it is removed with its configuration, unless that
# was edited or there is data of its. NAME- was known before: its configuration stays. NAME=VERSION was removed or upgraded:
# that version is installed again. +NAME was installed as a dependency, and counts as one again. @NAME was an account before:
# others that a package made go with it when nothing belongs to them.
#   $1 how long to wait for another apt, in seconds   the rest: such words
set -u
lock=$1
shift
apt() {
    SUDO_FORCE_REMOVE=yes apt-get "$@" -y -q -o "DPkg::Lock::Timeout=$lock" -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold
}
info() { ls "/var/lib/dpkg/info/${1%%:*}.$2" "/var/lib/dpkg/info/${1%%:*}":*".$2" 2>/dev/null | head -n 1; }

# What a purge of NAME would lose: an edited configuration file, or a file in a directory that its script removes.
lost() {
    dpkg-query --show --showformat '${Conffiles}\n' -- "$1" 2>/dev/null | while read -r file sum _; do
        [ -n "$file" ] && [ -f "$file" ] || continue
        [ "$(md5sum <"$file" | cut -d ' ' -f 1)" = "$sum" ] || printf '%s was edited\n' "$file"
    done
    script=$(info "$1" postrm)
    [ -n "$script" ] || return 0
    ! grep -q -e db_get -e db_input "$script" || echo 'its purge asks what becomes of data'
    grep -o -E '/(var/lib|var/www|var/spool|var/mail|srv|home|opt)/[A-Za-z0-9._/-]+' "$script" |
        grep -v -E '^/var/lib/(dpkg|systemd|ucf|pam|apt|init-system-helpers)' | sort -u | while read -r dir; do
        [ -e "$dir" ] || continue
        [ -z "$(find "$dir" -type f -newer "$(info "$1" list)" 2>/dev/null | head -n 1)" ] || printf '%s holds data\n' "$dir"
    done
}

# Accounts of the host that are new, and that a script of package NAME, or its sysusers.d, names.
accounts_of() {
    sed 's/:.*//' /etc/passwd /etc/group | sort -u | while read -r account; do
        case " $before " in *" $account "* | '  ') continue ;; esac
        { cat "$(info "$1" postinst)"; dpkg-query -L "$1" | grep '/sysusers[.]d/.' | xargs -r cat; } 2>/dev/null |
            grep -q -w -e "$account" && printf ' %s' "$account"
    done
}
remove_account() {
    id=$(id -u "$1" 2>/dev/null) || id=''
    if [ -n "$id" ]; then
        [ "$id" -lt 1000 ] && [ -z "$(timeout 60 find / -xdev -uid "$id" -print -quit 2>/dev/null)" ] || return
        userdel "$1" 2>/dev/null || return
    fi
    ! grep -q "^$1:" /etc/group || groupdel "$1" 2>/dev/null
}

purge='' auto='' left='' before='' made=''
for word in "$@"; do
    case $word in @*) before="$before ${word#@}" ;; esac
done
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    count=$((count - 1))
    shift
    case $word in
    @*) ;;
    +*) auto="$auto ${word#+}" ;;
    *_)
        name=${word%_}
        why=$(lost "$name" | head -n 1)
        if [ -z "$why" ]; then
            purge="$purge $name" made="$made$(accounts_of "$name")"
        else
            left="$left; the configuration of $name stays, since $why (apt-get purge $name removes it)"
        fi
        set -- "$@" "$name-"
        ;;
    *=*)
        there=$(version "${word%%=*}")
        if [ "$there" != "${word#*=}" ] && ! is_offered "${word%%=*}" "${word#*=}"; then
            left="$left; ${word%%=*} is ${there:-not installed}, since no package source has ${word#*=} any more"
        else
            set -- "$@" "$word"
        fi
        ;;
    *) set -- "$@" "$word" ;;
    esac
done

if [ $# -gt 0 ]; then
    apt install "$@" --allow-downgrades || exit
fi
# shellcheck disable=SC2086  # One word for each package.
[ -z "$purge" ] || apt purge $purge || exit
# shellcheck disable=SC2086
[ -z "$auto" ] || apt-mark auto $auto >/dev/null || exit
for account in $made; do
    remove_account "$account" || left="$left; the account $account stays, since something belongs to it"
done
[ -z "$left" ] || { printf '%s\n' "${left#; }" >&2; exit 3; }
