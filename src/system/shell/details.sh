# What an undo must restore besides bytes, mode and owner: extended attributes, hard links, times.

# When a path was modified last: seconds since 1970, with nanoseconds where the host's stat prints them. Links are not followed.
modified() {
    stat -c %.9Y "$1" 2>/dev/null || stat -c %Y "$1" 2>/dev/null || date -r "$1" +%s 2>/dev/null || echo unknown
}

# Whether something is mounted at a path. The kernel writes a blank as \040, which `decode` reads as \0040.
is_mounted() {
    [ -r /proc/self/mountinfo ] || return
    cut -d ' ' -f 5 /proc/self/mountinfo | sed 's/\\/\\0/g' | while IFS= read -r point; do
        decode "=$point"
        [ "$decoded" != "$1" ] || { echo mounted; return; }
    done
}

# The numbers of the calls list, get, set and remove (those that do not follow a link) on this machine.
case $(uname -m) in
    x86_64) attribute_calls='195 192 189 198' ;;
    aarch64 | riscv64) attribute_calls='12 9 6 15' ;;
    *) attribute_calls= ;;
esac
attributes_by=
if [ -n "$attribute_calls" ] && has perl; then
    attributes_by=perl
elif has getfattr && has setfattr; then
    attributes_by=getfattr
fi

# Prints each attribute as two words of hexadecimal digits. What this user may not read, or a file system without any, is fine.
list_with_perl='my ($list, $get, undef, undef, $path) = @ARGV; my $names = "\0" x 65536;
my $length = syscall($list + 0, $path, $names, 65536);
exit($! == 95 || $! == 13 ? 0 : 1) if $length < 0;
for my $name (split /\0/, substr($names, 0, $length)) {
    my $value = "\0" x 65536; my $size = syscall($get + 0, $path, $name, $value, 65536);
    if ($size >= 0) { print unpack("H*", $name), " ", unpack("H*", substr($value, 0, $size)), " \n" }
    elsif ($! != 61 && $! != 13 && $! != 1) { exit 1 }
}'

# Reads such lines; other attributes are removed. What only root may set is left as it is for others.
set_with_perl='my ($list, undef, $set, $remove, $path) = @ARGV; my %wanted;
while (<STDIN>) { my ($name, $value) = split / /; chomp $value; $wanted{pack("H*", $name)} = pack("H*", $value) }
my $names = "\0" x 65536; my $length = syscall($list + 0, $path, $names, 65536);
sub check { die "$!\n" if $_[0] < 0 && $! != 1 && $! != 13 && $! != 95 && $! != 61 }
for my $name (split /\0/, substr($names, 0, $length > 0 ? $length : 0)) {
    check(syscall($remove + 0, $path, $name)) unless exists $wanted{$name} || $name =~ /^security\.(ima|evm)$/;
}
for my $name (keys %wanted) { check(syscall($set + 0, $path, "$name", "$wanted{$name}", length $wanted{$name}, 0)) }'

list_attributes() {
    case $attributes_by in
        perl) perl -e "$list_with_perl" $attribute_calls "$1" ;;
        getfattr) getfattr -h -d -m - -e hex --absolute-names "$1" 2>/dev/null | hex_names ;;
        *) return "$no_means" ;;
    esac
}

# What getfattr prints, as words of hexadecimal digits: `user.note=0x6b657074`, and `user.empty` or `user.empty=""`.
hex_names() {
    while IFS= read -r line; do
        case $line in ''|'# file:'*) continue ;; esac
        value=${line#*=}
        case $value in 0x*|0X*) value=${value#??} ;; *) value= ;; esac
        decode "=$(printf %s "${line%%=*}" | sed 's/\\/\\0/g')"
        printf '%s %s \n' "$(printf %s "$decoded" | od -An -v -tx1 | tr -d ' \n')" "$value"
    done
}

# directory, name. Parts: when the directory was modified, the line of ls, where a link points, when it was modified, whether
# something is mounted there, its attributes.
do_details() {
    enter "$1" || return
    modified .
    mark .
    ls -ldn "./$2" || return
    mark .
    if [ -L "./$2" ]; then readlink "./$2"; fi
    mark .
    modified "./$2"
    mark .
    case $2 in .) is_mounted "$PWD" ;; *) is_mounted "${PWD%/}/$2" ;; esac
    mark .
    if [ -L "./$2" ]; then return 0; fi
    list_attributes "./$2"
    case $? in 0) ;; "$no_means") echo unseen ;; *) return 1 ;; esac
}

# Whether a file at the one path could have one more name at the other.
do_same_disk() {
    if [ "$(disk "$1")" = "$(disk "$2")" ]; then echo yes; fi
}

# The file system of the nearest directory above a path that is there.
disk() {
    above=${1%/*}
    until [ -d "$above/." ]; do above=${above%/*}; done
    stat -c %d "$above/."
}

# directory, name, then a name and a value each, in hexadecimal digits
do_set_attributes() {
    enter "$1" && refuse_linked "$2" || return
    path=./$2
    shift 2
    case $attributes_by in
        perl) if [ "$#" -gt 0 ]; then printf '%s %s\n' "$@"; fi | perl -e "$set_with_perl" $attribute_calls "$path" ;;
        getfattr) set_with_setfattr "$path" "$@" ;;
        *)
            echo 'the host has neither perl nor setfattr' >&2
            return 1
            ;;
    esac
}

set_with_setfattr() {
    path=$1
    shift
    wanted=" $* "
    list_attributes "$path" | while read -r name value; do
        case $wanted in *" $name "*) ;; *) setfattr -h -x "$(unhex "$name")" "$path" ;; esac
    done
    while [ "$#" -gt 1 ]; do
        setfattr -h -n "$(unhex "$1")" -v "0x$2" "$path" || return
        shift 2
    done
}

unhex() {
    digits=$1 text=
    while [ -n "$digits" ]; do
        rest=${digits#??}
        text=$text$(printf '\\0%03o' "0x${digits%"$rest"}")
        digits=$rest
    done
    printf %b "$text"
}

# directory, name, seconds, nanoseconds. Who neither owns it nor is root may not set it. A touch that takes no fraction of a
# second sets the second.
do_set_modified() {
    enter "$1" && refuse_linked "$2" || return
    if [ "$own_uid" != 0 ] && [ ! -O "./$2" ]; then return 0; fi
    touch -h -c -m -d "@$3.$4" "./$2" 2>/dev/null || touch -h -c -d "@$3" "./$2" && sync_path .
}

# directory, name, directory and name of the one more name. Not on another file system.
do_keep() {
    enter "$1" || return
    ln "./$2" "$3/$4" 2>/dev/null || return "$no_means"
    sync_path "$3"
}

# directory, name, directory and name of the kept file. Two names of one file are not moved onto each other.
do_put_back() {
    enter "$1" && ls -d "$3/$4" >/dev/null || return
    mv -f $exact_move "$3/$4" "./$2"
    if [ -e "$3/$4" ]; then [ "$3/$4" -ef "./$2" ] && rm -f "$3/$4"; fi && sync_path .
}
