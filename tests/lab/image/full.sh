#!/bin/sh
# Adds to base what a VPS has: dockerd with an image of its own, docker-compose, nginx, PostgreSQL, MariaDB, Redis, cron,
# Node.js with pm2, and the odd login shells. Runs in the image being made.
set -eu
export DEBIAN_FRONTEND=noninteractive

apt-get -q update
# Memory, not disk, would have to fail for these writes to matter: the image is made anew when it is broken.
apt-get -q -y -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends \
  docker.io iptables nftables nginx-light postgresql redis-server cron curl ca-certificates dnsmasq-base \
  docker-compose docker-registry mariadb-server nodejs zstd rsync fish tcsh strace ufw
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale
rm /usr/sbin/policy-rc.d

useradd --create-home --shell /usr/bin/fish --password '*' fish
useradd --create-home --shell "$(command -v tcsh)" --password '*' tcsh

# The builder brought it: Debian has no pm2.
mkdir -p /usr/lib/lab
cp -r /pm2 /usr/lib/lab/pm2
ln -s /usr/lib/lab/pm2/node_modules/pm2/bin/pm2 /usr/local/bin/pm2

# The nested image's root file system: busybox and a page to serve.
rootfs=/usr/lib/lab/busybox
mkdir -p $rootfs/bin $rootfs/etc $rootfs/tmp $rootfs/www $rootfs/root
chmod 1777 $rootfs/tmp
cp "$(command -v busybox)" $rootfs/bin/busybox
for applet in $($rootfs/bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >$rootfs/etc/passwd
echo 'root:x:0:' >$rootfs/etc/group
echo 'app is up' >$rootfs/www/index.html

# The nested images and containers, made at first boot from the folder above: no registry is needed.
cp /image/nested /usr/lib/lab/nested
chmod 0755 /usr/lib/lab/nested
cat >/etc/systemd/system/lab-nested.service <<'UNIT'
[Unit]
Description=the lab's nested image and container
Requires=docker.service
After=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lab/nested
[Install]
WantedBy=multi-user.target
UNIT

# The resolver of this host: on 127.0.0.53 as systemd-resolved is, and on the host's other addresses, where nested
# containers could reach it. It knows one zone, lab.test, and asks nobody.
cat >/etc/lab-resolver.conf <<'CONF'
no-resolv
no-hosts
bind-dynamic
listen-address=127.0.0.53
interface=eth0
interface=docker0
address=/redis.lab.test/192.0.2.10
address=/redis.lab.test/2001:db8::10
local=/lab.test/
CONF
cat >/etc/systemd/system/lab-resolver.service <<'UNIT'
[Unit]
Description=a resolver on 127.0.0.53, as systemd-resolved's
Before=docker.service
[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/lab-resolver.conf --user=root
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable lab-nested.service lab-resolver.service
# Tests start it.
systemctl disable docker-registry.service
systemctl mask nftables.service e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer
