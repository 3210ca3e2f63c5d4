# shellcheck shell=bash disable=SC2034
# What up, down and build share: where the lab's state is, how docker is called, and dockerd itself.
# Sourced, never run.

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$lab_dir/../.." && pwd)

# The state folder names the lab: two checkouts, or two folders, are two labs that do not meet.
state=${WINDLASS_LAB:-$repository/target/lab}
mkdir -p "$state"
state=$(cd "$state" && pwd)
chmod 0700 "$state"
lab_id=$(printf '%s' "$state" | sha256sum | cut -c1-8)
label="windlass.lab=$lab_id"
network="windlass-$lab_id"
image="windlass-lab"

say() { printf 'lab: %s\n' "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }

# Root runs things itself; anybody else needs sudo for apt, debootstrap and dockerd.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Members of the group docker need no sudo for docker, so that is asked first.
docker_command=(docker)
choose_docker_command() {
  if [ "$(id -u)" != 0 ] && ! docker info >/dev/null 2>&1; then docker_command=(sudo docker); fi
}
docker_() { command "${docker_command[@]}" "$@"; }

docker_answers() { docker_ info >/dev/null 2>&1; }

is_dockerd() { [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ]; }

# Installs what the lab itself needs, by Debian's or Ubuntu's packages. Rust and a C compiler are expected.
install_packages() {
  local missing=()
  command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
  [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
  command -v ssh-keygen >/dev/null || missing+=(openssh-client)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v npm >/dev/null || missing+=(npm)
  command -v flock >/dev/null || missing+=(util-linux)
  command -v age >/dev/null || missing+=(age)
  command -v zstd >/dev/null || missing+=(zstd)
  command -v strace >/dev/null || missing+=(strace)
  command -v fish >/dev/null || missing+=(fish)
  command -v zsh >/dev/null || missing+=(zsh)
  command -v busybox >/dev/null || missing+=(busybox-static)
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
  # Where systemd runs, this starts its sshd too.
  command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  # policy-rc.d is not needed here: without systemd as PID 1 nothing is started, and with it dockerd should be.
  as_root apt-get -q update >/dev/null
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y install "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}

# Starts dockerd where none answers, and notes its PID so that `down` stops ours and nobody else's.
start_dockerd() {
  choose_docker_command
  docker_answers && return
  local recorded
  recorded=$(cat /var/run/docker.pid 2>/dev/null || true)
  # dockerd refuses to start when the PID in a file left by a crash has since been given to another program.
  if [ -n "$recorded" ] && ! is_dockerd "$recorded"; then as_root rm -f /var/run/docker.pid; fi
  say "no dockerd answers: starting one (log: $state/dockerd.log)"
  # Its own session, so that Ctrl-C in this terminal reaches our trap and not dockerd.
  as_root setsid dockerd --pidfile /var/run/docker.pid >"$state/dockerd.log" 2>&1 </dev/null &
  local deadline=$((SECONDS + 60))
  until docker_answers; do
    if [ $SECONDS -ge $deadline ]; then tail -n 20 "$state/dockerd.log" >&2; die "dockerd did not answer within 60 s"; fi
    sleep 0.2
  done
  cat /var/run/docker.pid >"$state/dockerd.pid"
}

# Stops the dockerd that start_dockerd started, unless another lab's containers are still running in it.
stop_dockerd() {
  [ -e "$state/dockerd.pid" ] || return 0
  local pid
  pid=$(cat "$state/dockerd.pid")
  if ! is_dockerd "$pid"; then rm -f "$state/dockerd.pid"; return 0; fi
  if [ -n "$(docker_ ps -q)" ]; then say "dockerd ($pid) is left running: it has other containers"; return 0; fi
  say "stopping dockerd ($pid)"
  as_root kill "$pid"
  local deadline=$((SECONDS + 30))
  while is_dockerd "$pid"; do
    [ $SECONDS -lt $deadline ] || die "dockerd ($pid) did not stop within 30 s"
    sleep 0.2
  done
  rm -f "$state/dockerd.pid"
}

# Removes this lab's containers with their volumes, and its network: also what a crashed run left behind.
remove_hosts() {
  local left
  left=$(docker_ ps -aq --filter "label=$label")
  # shellcheck disable=SC2086  # One word per container identifier.
  [ -z "$left" ] || docker_ rm -f -v $left >/dev/null
  docker_ network ls -q --filter "label=$label" | while read -r id; do docker_ network rm "$id" >/dev/null; done
}

container() { printf '%s-%s' "$network" "$1"; }

# A host may be given a fixed address only in a network whose subnet is named, and an address must survive a reboot. So
# docker is asked for a free subnet first, and the network is made again with it. The next `up` tries the same subnet.
make_network() {
  local subnet
  subnet=$(cat "$state/subnet" 2>/dev/null || true)
  if [ -z "$subnet" ] || ! create_network "$subnet" 2>/dev/null; then
    docker_ network create --label "$label" "$network" >/dev/null
    subnet=$(docker_ network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$network")
    docker_ network rm "$network" >/dev/null
    create_network "$subnet"
  fi
  printf '%s\n' "$subnet" >"$state/subnet"
  prefix=${subnet%.*}
}

create_network() { docker_ network create --label "$label" --subnet "$1" "$network" >/dev/null; }

# What follows needs a function `address` of the one who sources this.
run_host() {
  local host=$1
  shift
  docker_ run -d --name "$(container "$host")" --hostname "$host" --label "$label" --label "windlass.host=$host" --label "windlass.${host%%[0-9]*}" \
    --network "$network" --ip "$(address "$host")" -v "$state/seeds/$host:/usr/lib/lab/seed:ro" "$@" >/dev/null
}

# A host and its image, with systemd as PID 1 and a place for a nested dockerd, without --privileged: some machines lack a
# capability that it asks for. The restart policy makes `reboot` in the host come back, as a machine does.
start_machine() {
  local options=() capability
  for capability in SYS_ADMIN NET_ADMIN SYS_PTRACE DAC_READ_SEARCH SYS_NICE SYS_TIME IPC_LOCK SYSLOG LINUX_IMMUTABLE \
    SYS_CHROOT MKNOD AUDIT_CONTROL; do options+=(--cap-add "$capability"); done
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then options+=(--cgroupns private); else options+=(-v /sys/fs/cgroup:/sys/fs/cgroup:rw); fi
  run_host "$1" "${options[@]}" --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --security-opt systempaths=unconfined --tmpfs /run:exec --tmpfs /run/lock -v /var/lib/docker -e container=docker \
    --restart unless-stopped --stop-signal SIGRTMIN+3 "$2" /usr/lib/lab/boot /sbin/init
}
