#!/bin/sh
# Makes a debootstrap tree into what a provider hands out: systemd and sshd, root with a password, and nothing else. Runs
# in the image being made. Its hosts cannot reach the network, so the image brings an archive of its own: the packages
# that a provisioned host has, with all that they need.
set -eu
export DEBIAN_FRONTEND=noninteractive
archive=/usr/lib/lab/archive

printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
apt-get -q update
SUDO_FORCE_REMOVE=yes apt-get -q -y purge sudo busybox-static
apt-get -q -y autoremove --purge
apt-get -q -y install --download-only --no-install-recommends \
  sudo docker.io nginx unattended-upgrades systemd-timesyncd nftables cron curl
rm /usr/sbin/policy-rc.d

# The index as apt reads it: each package's own fields, and where and what its file is.
mkdir -p $archive
mv /var/cache/apt/archives/*.deb $archive
for deb in $archive/*.deb; do
  dpkg-deb --field "$deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$deb")" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >$archive/Packages
rm -rf /var/lib/apt/lists/* /etc/apt/apt.conf.d/90lab
echo "deb [trusted=yes] file:$archive ./" >/etc/apt/sources.list

# The login that the provider's mail tells, in the places where its images have it. The first value that sshd reads is
# the one that counts, so a file that comes after this one changes nothing: hosts in the wild are like that.
echo 'root:lab-root' | chpasswd
echo 'PermitRootLogin yes' >>/etc/ssh/sshd_config
printf 'PasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/50-cloud-init.conf

# Ten hosts unpack at once here. When one of them is cut off it is made anew, so nothing has to reach the disk.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/lab

mkdir -p /usr/lib/lab/seed
# There is nobody in /home yet, and the shell would take its pattern for a name.
sed 's, /home/\*;,;,' /image/boot >/usr/lib/lab/boot
chmod 0755 /usr/lib/lab/boot
# Of no use in a container; each would only fail or wait.
systemctl mask systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service sys-kernel-debug.mount \
  sys-kernel-tracing.mount dev-hugepages.mount systemd-networkd-wait-online.service getty.target console-getty.service \
  e2scrub_reap.service
systemctl set-default multi-user.target
: >/etc/machine-id
