# Lets sshd take up its configuration; open sessions stay. Argument: its unit, when it is not the usual one.
set -eu
unit=${1:-}
for name in ssh.service sshd.service; do
    [ -z "$unit" ] || break
    ! systemctl cat -- "$name" >/dev/null 2>&1 </dev/null || unit=$name
done
if [ -z "$unit" ]; then
    echo "systemd has neither ssh.service nor sshd.service: name sshd's unit with the key service" >&2
    exit 1
fi
systemctl reset-failed -- "$unit" >/dev/null 2>&1 </dev/null || :
# Where systemd listens in its place, the ports are the socket's.
if systemctl is-active --quiet ssh.socket </dev/null; then
    systemctl daemon-reload </dev/null
    systemctl reset-failed ssh.socket >/dev/null 2>&1 </dev/null || :
    systemctl restart ssh.socket </dev/null
    systemctl try-restart -- "$unit" </dev/null
else
    # A reload is only a signal: for a moment the old sshd would still answer, and confirm what it does not know.
    systemctl restart -- "$unit" </dev/null
fi
