# Everything of a host that a run may change and an undo must restore, in lines that can be compared. What account programs
# and caches keep for themselves is left out: their last copies (`passwd-`), ld.so.cache, windlass's own agent.
find /etc /home /srv /root /opt /usr/local /var/spool/cron -xdev \( -path /root/.cache -o -path /root/state.sh \) -prune -o \
    ! -name '*-' ! -name .pwd.lock ! -name '*.cache' -printf '%p %y %m %U:%G %l links=' \
    \( -type f -printf '%n\n' -o -printf 'none\n' \) | sort
# Times of what windlass itself changes; commands of the tests work in /srv/e2e and its directory `stray`.
find /srv -xdev -mindepth 2 ! -path '/srv/e2e/stray*' -printf 'time %p %T@\n' | sort
# The program crontab writes when it was run into three lines of its own.
for crontab in /var/spool/cron/crontabs/*; do
    [ ! -f "$crontab" ] || grep -v -e '^# DO NOT EDIT' -e '^# (- installed' -e '^# (Cron version' "$crontab" | sed "s|^|${crontab##*/}: |"
done
find /etc /home /srv /root /opt /usr/local -xdev -path /root/.cache -prune -o -type f \
    ! -name '*-' ! -name '*.cache' ! -name state.sh -print0 | sort -z | xargs -0 -r sha256sum
command -v python3 >/dev/null && python3 - <<'P'
import os
for top in ("/srv", "/etc", "/home"):
    for folder, folders, files in os.walk(top):
        for path in sorted(os.path.join(folder, name) for name in folders + files):
            for name in sorted(os.listxattr(path, follow_symlinks=False)):
                print("attribute", path, name, os.getxattr(path, name, follow_symlinks=False).hex())
P
systemctl list-unit-files --no-pager --no-legend | sort | sed 's/  */ /g'
systemctl list-units --no-pager --no-legend --all --plain --type=service,timer,socket,mount |
    awk '$2 != "not-found" && $1 !~ /^(user|session|systemd-tmpfiles|apt-daily|dpkg-db|man-db|e2scrub|fstrim|logrotate|run-user|run-docker|phpsessionclean|systemd-hostnamed|systemd-timedated|windlass)/ { print $1, $2, $3 }' | sort
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
apt-mark showauto | sed 's/^/auto /'
cut -d ' ' -f 1-4 /proc/self/mounts | grep -v -e '^overlay /var/lib/docker' -e '/run/docker/netns' -e ' /run/user' | sort
nft list ruleset 2>/dev/null | grep -A 99 windlass
hostname
date +%Z
if systemctl -q is-active docker 2>/dev/null; then
    docker ps -a --format 'container {{.Names}} {{.Image}} {{.State}}' | sort
    docker images --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | sort
fi
exit 0
