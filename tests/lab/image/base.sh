#!/bin/sh
# Makes a debootstrap tree into a host: users, sshd's settings, the lab's boot script. Runs in the image being made.
set -eu

# Passwords "*": no password fits, and unlike "!" sshd without PAM does not take the account for a locked one.
add_user() { useradd --create-home --shell "${2:-/bin/bash}" --password '*' "$1"; }
usermod --password '*' root
for user in deploy nosudo ttysudo pwsudo noisy nologin forced; do add_user "$user"; done
add_user ash /usr/bin/ash
usermod --shell /usr/sbin/nologin nologin
echo 'pwsudo:lab-secret' | chpasswd

# A login shell that is busybox's ash: busybox acts by the name it is called with.
ln -s "$(command -v busybox)" /usr/bin/ash
echo /usr/bin/ash >>/etc/shells

cat >/etc/sudoers.d/lab <<'SUDO'
deploy ALL=(ALL) NOPASSWD: ALL
ttysudo ALL=(ALL) NOPASSWD: ALL
Defaults:ttysudo requiretty
pwsudo ALL=(ALL) ALL
SUDO
chmod 0440 /etc/sudoers.d/lab

# Prints on both streams before anything else, in interactive shells and in others: Debian's guard at the top is gone.
cat >/home/noisy/.bashrc <<'NOISE'
echo "Welcome to noisy! Last backup: never."
printf '\033[31mred alert\033[0m\n'
echo "motd: this goes to stderr" >&2
NOISE

cat >/etc/ssh/sshd_config.d/lab.conf <<'SSHD'
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Match User forced
    ForceCommand echo "only this is allowed here"
Match all
SSHD
mkdir -p /usr/lib/lab/seed
cp /image/boot /image/noexec-boot /usr/lib/lab/
chmod 0755 /usr/lib/lab/boot /usr/lib/lab/noexec-boot

# No service starts while later recipes install packages.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

# Of no use in a container; each would only fail or wait.
systemctl mask systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service sys-kernel-debug.mount \
  sys-kernel-tracing.mount dev-hugepages.mount systemd-networkd-wait-online.service getty.target console-getty.service \
  systemd-logind.service.d 2>/dev/null || true
systemctl set-default multi-user.target

# A real machine has its own identity; made at first boot.
: >/etc/machine-id

# What the read-only host copies into the memory file systems that cover these folders.
mkdir -p /usr/lib/lab/noexec
for folder in etc var root home srv; do cp -a "/$folder" /usr/lib/lab/noexec/; done
rm -rf /usr/lib/lab/noexec/var/cache/* /usr/lib/lab/noexec/var/lib/apt/lists/* /usr/lib/lab/noexec/var/lib/dpkg/info
printf '::respawn:/usr/sbin/sshd -D -e\n' >/usr/lib/lab/noexec/etc/inittab
