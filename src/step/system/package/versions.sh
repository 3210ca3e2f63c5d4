# For lost.sh and undo.sh, which follow it.
version() { dpkg-query --show --showformat '${Version} ${db:Status-Status}' -- "$1" 2>/dev/null | sed -n 's/ installed$//p'; }
# Whether a package source has this version of NAME; 2 when apt cannot be asked.
is_offered() {
    offered=$(apt-cache madison "$1" 2>/dev/null) || return 2
    printf '%s\n' "$offered" | awk -F ' *[|] *' -v want="$2" '$2 == want { found = 1 } END { exit !found }'
}
