# shellcheck shell=bash disable=SC2034,SC2154
# What the images are made from, and the tags that follow from it. Sourced by build and up.

# The lab's hosts run what this machine runs, so that its apt archives serve both.
suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
case $(. /etc/os-release && printf '%s' "$ID") in
  ubuntu) distribution=Ubuntu components=main,universe ;;
  *) distribution=Debian components=main ;;
esac
debootstrap_packages=openssh-server,systemd,systemd-sysv,libpam-systemd,dbus,sudo,opendoas,iproute2,procps,busybox-static,ca-certificates

digest() { sha256sum | cut -c1-12; }

debootstrap_digest=$(printf '%s ' "$suite" "$components" "$debootstrap_packages" | digest)
recipe_digest=$({ printf '%s ' "$debootstrap_digest"; cat "$lab_dir"/image/* "$lab_dir"/pm2/*; } | digest)
debootstrap_tag=$image:debootstrap-$debootstrap_digest
base_tag=$image:base-$recipe_digest
full_tag=$image:full-$recipe_digest
small_tag=$image:small-$recipe_digest
fresh_digest=$({ printf '%s ' "$debootstrap_digest"; cat "$lab_dir"/vps/* "$lab_dir/image/boot"; } | digest)
fresh_tag=$image:fresh-$fresh_digest
