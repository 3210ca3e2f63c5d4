# What the controller does to a host that it reaches only through sh: reads requests, answers each, until the pipe ends.
#
# A request is a line: its number, a verb, and words. A word beginning with `=` is decoded here (octal escapes, as
# `printf %b` reads them), so that a value never becomes shell text; one beginning with `%` is decoded later. Bytes of
# files follow their line raw. Nothing is sent after a request before its answer, so what reads stdin may read ahead.
#
# An answer is parts, each ended by a line of the nonce, the request's number and `.`; the last part is what went to
# standard error, ended by a line with the verb's status in place of `.`.

nonce=$windlass_end
unset windlass_end windlass_break windlass_script windlass_line
unset number verb decoded count scratch life pipes unfinished errors status kept limit user uid su_words folder input variables
# What a login has set of the locale, for commands that run as in one.
locale='LANG LANGUAGE LC_ALL LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS
LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION'
for variable in $locale; do
    eval "login_$variable=\${$variable-}"
done
unset LANG LANGUAGE LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS \
    LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION CDPATH ENV BASH_ENV MAIL OLDPWD POSIXLY_CORRECT \
    SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_ORIGINAL_COMMAND SSH_AUTH_SOCK
export LC_ALL=C
for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    case :$PATH: in
        *:"$folder":*) ;;
        *) PATH=${PATH:+$PATH:}$folder ;;
    esac
done
export PATH
set -f
# A login may have another one; files of commands are as open as most programs expect.
umask 022
cd /

has() { command -v "$1" >/dev/null 2>&1; }

# The statuses that the controller knows; any other is explained by the text on standard error.
wrong_kind=90 too_large=91 no_means=92 held=93 has_links=94 is_linked=95

exact_move=
case $(mv --help 2>&1) in *-T*) exact_move=-T ;; esac
# Found before a command's own PATH can hide them.
session=$(command -v setsid)
runuser=$(command -v runuser)
su=$(command -v su)
own_uid=$(id -u)
next_lock=9

mark() { printf '\n%s %s %s\n' "$nonce" "$number" "$1"; }

decode() {
    decoded=${1#=}
    case $decoded in
        *\\*)
            decoded=$(printf '%b.' "$decoded")
            decoded=${decoded%.}
            ;;
    esac
}

# The first bytes of standard input, as many as said.
take() {
    if [ "$take_with" = head ]; then head -c "$1"; else dd bs=1 count="$1" 2>/dev/null; fi
}
take_with='dd'
if [ "$(printf abc | head -c 2 2>/dev/null)" = ab ]; then take_with='head'; fi
