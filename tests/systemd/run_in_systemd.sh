#!/bin/bash
# Boots a real systemd on a machine whose PID 1 is something else (or is not to be touched), and runs one command under it.
#
#   run_in_systemd.sh STAGE COMMAND [ARG...]
#
# The manager is PID 1 of its own namespaces. Its root is an overlay of this machine's root whose upper layer is memory, so it
# sees every installed program and changes nothing. STAGE, a directory, is all that the two sides share: it appears inside as
# /stage, the command's output is left in STAGE/output and the manager's own words in STAGE/boot. The network is loopback alone.
#
# The command is itself a unit of that manager, which exits with the command's status: there is nothing to enter and nothing to
# power off. Exit status: the command's; 125 when the manager did not come up; 124 after BOOT_SECONDS (default 60) in all.
# Needs root, systemd, util-linux, overlayfs and cgroup2.
set -euo pipefail
self=$(readlink -f "$0")

# First step, in this machine's namespaces: start the clock, start the second step in new ones, clear up.
outside() {
    stage=$(readlink -f "$1"); shift
    scratch=$(mktemp -d); group=syncd-test-$$
    trap clear_up EXIT
    trap 'exit 143' TERM INT
    printf '%q ' "$@" >"$stage/command"
    rm -f "$stage/output" "$stage/started"
    status=0
    # In the background, so that a TERM to this script is seen at once; --kill-child takes the whole pid namespace along.
    unshare --mount --pid --fork --kill-child=KILL --uts --ipc --net --propagation private \
        "$self" --group "$scratch" "$group" "$stage" </dev/null >"$stage/boot" 2>&1 &
    sleep "${BOOT_SECONDS:-60}" </dev/null >/dev/null 2>&1 &
    clock=$!
    wait -n -p ended || status=$?
    [ "$ended" != $clock ] || { status=124; echo "run_in_systemd: not done in time" >&2; }
    [ ! -e "$stage/output" ] || cat "$stage/output"
    if [ ! -e "$stage/started" ] && [ $status != 124 ]; then
        echo "run_in_systemd: the manager did not come up" >&2
        tail -n 20 "$stage/boot" >&2
        status=125
    fi
    exit $status
}

# The group outlives its last process by a moment, and the kernel lets nobody remove it before.
clear_up() {
    { for child in $(jobs -p); do kill -KILL "$child" && wait "$child"; done || :; } 2>/dev/null
    unshare --mount --propagation private bash -c '
        mount -t cgroup2 none "$1"
        for _ in $(seq 50); do
            [ -d "$1/$2" ] || break
            find "$1/$2" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done' _ "$scratch" "$group" || :
    rm -rf "$scratch"
}

# Second step, PID 1 already: enter a control group of our own, then make it the root of what is seen. In this order, and from
# this side of the fork, or the manager meets a stranger in its root group.
enter_group() {
    mount -t cgroup2 none "$1"
    mkdir "$1/$2"
    echo 0 >"$1/$2/cgroup.procs"
    umount "$1"
    exec unshare --cgroup "$self" --root "$1" "$3"
}

# Third step: the new root, and into it.
become_manager() {
    scratch=$1 stage=$2
    mount -t tmpfs -o mode=755,size=50% tmpfs "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/root"
    root=$scratch/root

    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"     # kernel settings belong to the machine
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
    mkdir "$root/dev/shm" "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
        read -r name major minor <<<"$node"
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
    mkdir -p "$root/stage"
    mount --bind "$stage" "$root/stage"
    write_units "$root"

    cd "$root"
    mkdir -p .old
    pivot_root . .old
    cd /
    umount -l /.old
    mount --make-rshared /                        # PID 1 does this itself only on bare metal; LoadCredential= depends on it
    exec env -i container=syncd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        /lib/systemd/systemd --unit=command.service --show-status=no --log-target=console --log-level=warning
}

# Nothing the machine has enabled may start: no generators, no wants, no configuration; a journal and one command.
write_units() {
    local units=$1/etc/systemd/system
    rm -rf "$1"/etc/systemd/{system,system.conf.d,journald.conf.d} "$1/var/log/journal"
    rm -rf "$1"/{usr/,}lib/systemd/{system-generators,system/*.wants,system/service.d}
    mkdir -p "$units"
    tr -d - </proc/sys/kernel/random/uuid >"$1/etc/machine-id"
    printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' >"$1/etc/systemd/journald.conf"
    : >"$1/etc/systemd/system.conf"
    cat >"$units/command.service" <<UNIT
[Unit]
Wants=systemd-journald.service
After=systemd-journald.service
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=exec
Environment=HOME=/tmp
WorkingDirectory=/stage
StandardOutput=append:/stage/output
StandardError=inherit
ExecStart=/bin/bash -c ': >/stage/started; eval "exec \$\$(cat /stage/command)"'
UNIT
}

case ${1:-} in
--group) shift; enter_group "$@" ;;
--root) shift; become_manager "$@" ;;
*) outside "$@" ;;
esac
