#!/bin/sh
# enter.sh BASE ROOT STAGE COMMAND...: becomes COMMAND inside the root folder of another engine.
#
# Runs in a mount namespace of its own (`unshare --mount --propagation unchanged`). The new root is a tmpfs with the
# engine's /usr, so that nothing is ever written to the cache; the lab's folder lies at the same path as outside. Mounts
# that the engine makes on the lab's filesystem also appear outside, as those of an engine on the host do.
set -eu
base=$1 root=$2 stage=$3
shift 3

# Everything but the lab's own filesystem becomes private: what is mounted from here on is nobody else's business.
while read -r _ _ _ _ point _; do
    case $point in
        "$base"/*) ;;
        *) mount --make-private "$(printf '%b' "$point")" 2>/dev/null || true ;;
    esac
done </proc/self/mountinfo

podman=
case " $* " in *" podman "*) podman=yes ;; esac
# The tree of the second version of control groups: the only one, or beside those of the first.
for groups in ${podman:+/sys/fs/cgroup /sys/fs/cgroup/unified}; do
    if [ -e "$groups/cgroup.controllers" ]; then
        mkdir -p "$groups/${base##*/}"
        echo $$ >"$groups/${base##*/}/cgroup.procs"
    fi
done

mount -t tmpfs -o mode=755 tmpfs "$stage"
cd "$stage"
mkdir -p usr var/lib var/tmp proc sys dev run tmp root old ".$base"
chmod 1777 tmp var/tmp
for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done
cp -a "$root/etc" etc
mount --bind "$root/usr" usr
mount -o remount,bind,ro usr
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount --rbind "$base" ".$base"
pivot_root . old
# Private first: unmounting a peer would take the mounts of running containers away outside, too.
mount --make-rprivate /old
umount -l /old
mount --make-shared /

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
# Podman wants the second version alone, and moves whoever shares its group into one below it: the lab's own group is the
# root of all that it sees.
[ -z "$podman" ] || exec unshare --cgroup bash -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"' bash "$@"
exec "$@"
