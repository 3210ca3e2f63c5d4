#!/bin/sh
# Puts the small host together, as /small.tar: busybox for every command, and base's sshd with the libraries it needs.
# No systemd, no GNU coreutils, no bash, no sudo. Runs in a container of base.
set -eu
root=/small
mkdir -p $root/bin $root/usr/bin $root/usr/sbin $root/usr/lib/openssh $root/etc/ssh $root/run/sshd $root/root/.ssh $root/home/deploy/.ssh \
  $root/tmp $root/var/tmp $root/var/log $root/var/empty $root/proc $root/sys $root/dev $root/srv $root/usr/lib/lab/seed
ln -s /run $root/var/run
chmod 1777 $root/tmp $root/var/tmp
chmod 0700 $root/root
ln -s bin $root/sbin
cp "$(command -v busybox)" $root/bin/busybox
for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done

# Since 9.8 sshd is several programs; what is not there is not needed.
for program in /usr/sbin/sshd /usr/lib/openssh/sshd-session /usr/lib/openssh/sshd-auth; do
  [ -e "$program" ] || continue
  cp "$program" "$root$program"
  ldd "$program" | grep -o '/[^ )]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
done

cat >$root/etc/passwd <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
sshd:x:100:65534::/run/sshd:/bin/false
deploy:x:1000:1000::/home/deploy:/bin/sh
nobody:x:65534:65534:nobody:/var/empty:/bin/false
PASSWD
printf 'root:x:0:\ntty:x:5:\ndeploy:x:1000:\nnogroup:x:65534:\n' >$root/etc/group
printf 'root:*:19000:0:99999:7:::\ndeploy:*:19000:0:99999:7:::\n' >$root/etc/shadow
chmod 0600 $root/etc/shadow
chown -R 1000:1000 $root/home/deploy
printf '/bin/sh\n/bin/ash\n' >$root/etc/shells
printf '::sysinit:/usr/lib/lab/boot seed\n::respawn:/usr/sbin/sshd -D -e\n' >$root/etc/inittab
printf 'NAME="Lab small"\nID=labsmall\nVERSION_ID="1"\n' >$root/etc/os-release
cat >$root/etc/ssh/sshd_config <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 1000:30:1000
MaxSessions 100
SSHD
cp /image/boot $root/usr/lib/lab/boot
chmod 0755 $root/usr/lib/lab/boot
tar -C $root -cf /small.tar .
