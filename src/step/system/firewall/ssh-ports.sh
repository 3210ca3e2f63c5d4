# Tells the ports on which this host is reached over SSH, a line each: those of sshd's configuration, and the one of the
# connection that this runs over where something still listens there (another sshd).
sshd -T 2>/dev/null </dev/null | sed -n 's/^port //p'
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    connection=$(tr '\000' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
    [ -z "$connection" ] || break
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
done
port=${connection##* }
case $port in '' | *[!0-9]*) exit 0 ;; esac
hex=$(printf ':%04X' "$port")
! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "^ *[0-9]*: [0-9A-F]*$hex [0-9A-F:]* 0A " || echo "$port"
