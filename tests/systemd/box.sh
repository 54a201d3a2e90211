#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# box.sh ROOT SOCKEYE UNIT TESTS: systemd as process 1 of its own namespaces, in a copy of ROOT that
# is gone with it; there TESTS is /srv/tests. Run as
# "unshare -m -p -u -i -C -f --propagation private" starts it, in a cgroup of its own: that becomes
# the box's root of the cgroup v2 tree.
set -eu
root=$1 sockeye=$2 unit=$3 tests=$4

# Over the root, which belongs to whoever made it, lies what is written here: in memory, where it
# hides nothing that is needed.
box=$root/mnt
mount -t tmpfs -o mode=0755 tmpfs $box
mkdir $box/upper $box/work $box/root
mount -t overlay overlay -o "lowerdir=$root,upperdir=$box/upper,workdir=$box/work" $box/root
cp /etc/resolv.conf $box/root/etc/resolv.conf
mount -t proc proc $box/root/proc
# Nothing starts while it is installed (invoke-rc.d(8)). Behind dbus: what live.py's tests run.
printf '#!/bin/sh\nexit 101\n' >$box/root/usr/sbin/policy-rc.d
chmod 755 $box/root/usr/sbin/policy-rc.d
chroot $box/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    apt-get -qy install --no-install-recommends systemd systemd-sysv dbus \
    iproute2 nftables procps nginx-light wrk >&2

install -m 755 "$sockeye" $box/root/usr/sbin/sockeye
install -m 644 "$unit" $box/root/etc/systemd/system/sockeye.service
chroot $box/root useradd --system --no-create-home --shell /usr/sbin/nologin sockeye
install -d -m 755 $box/root/etc/sockeye $box/root/srv/tests
mount --bind "$tests" $box/root/srv/tests
mount -o remount,bind,ro $box/root/srv/tests
for masked in systemd-networkd systemd-resolved systemd-timesyncd systemd-logind systemd-udevd \
    getty@tty1 console-getty apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
    case $masked in *.timer) ;; *) masked=$masked.service ;; esac
    ln -sf /dev/null "$box/root/etc/systemd/system/$masked"
done
: >$box/root/etc/machine-id

cd $box/root
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 dev/tty c 5 0
mkdir mnt/host
pivot_root . mnt/host
umount -l /mnt/host
# systemd hands credentials and sandboxes on through what is shared.
mount --make-rshared /
# Not what packages of the root would start, on ports of the host.
exec env -i container=sockeye-test /lib/systemd/systemd --unit=basic.target
