#!/bin/sh
# Builds the machine's disk: Debian 13 with its kernel, libcamera and the real picamera2.
#
#   unshare --mount --pid --fork --kill-child sh image.sh DIRECTORY
#
# DIRECTORY holds debian.sources; afterwards it holds base.qcow2, vmlinuz, initrd and key.
# Run in namespaces of its own: what it mounts and starts ends with it. Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
locks=$here/../../requirements
out=$1
tree=$out/tree
say() { echo "camera-vm: $*"; }
in_tree() { chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

say "Debian's packages"
packages=$(sed 's/#.*//' "$here/guest_packages.txt" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
mkdir "$tree"
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' trixie "$tree" "$out/debian.sources"

say "Python's packages, every file checked against its hash"
mount --bind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
# The network as this machine has it, for as long as the disk is being built.
rm -f "$tree/etc/resolv.conf"
cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
lend() { if [ -e "$1" ]; then install -D -m 600 "$1" "$tree/$2"; fi; }
lend /etc/pip.conf etc/pip.conf
lend "${HOME:-/root}/.config/pip/pip.conf" root/.config/pip/pip.conf
in_tree python3 -m venv --system-site-packages /opt/roeh
for lock in node camera_vm; do
    cp "$locks/$lock.txt" "$tree/tmp/$lock.txt"
    # Without isolation: what comes as source is compiled with Debian's tools, nothing fetched.
    in_tree /opt/roeh/bin/pip --disable-pip-version-check --no-input install -qq \
        --no-deps --no-build-isolation --require-hashes -r "/tmp/$lock.txt"
done
rm -rf "$tree/etc/pip.conf" "$tree/root/.config" "$tree/root/.cache" "$tree"/tmp/*

say "the machine's own files"
ssh-keygen -q -t ed25519 -N '' -C camera-vm -f "$out/key"
install -d -m 700 "$tree/root/.ssh"
install -m 600 "$out/key.pub" "$tree/root/.ssh/authorized_keys"
in_tree ssh-keygen -A >/dev/null
sed 's/^/camera-vm /' "$tree/etc/ssh/ssh_host_ed25519_key.pub" > "$out/known_hosts"
in_tree systemd-machine-id-setup >/dev/null
echo camera-vm > "$tree/etc/hostname"
echo '127.0.0.1 localhost camera-vm' > "$tree/etc/hosts"
: > "$tree/etc/resolv.conf"
echo '/dev/vda / ext4 rw,noatime 0 1' > "$tree/etc/fstab"
# QEMU's own network gives these addresses, always.
printf '[Match]\nName=en* eth*\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\n' \
    > "$tree/etc/systemd/network/10-qemu.network"
in_tree systemctl --quiet enable systemd-networkd ssh
in_tree systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
    systemd-networkd-wait-online.service e2scrub_reap.service systemd-timesyncd.service
echo COMPRESS=gzip >> "$tree/etc/initramfs-tools/initramfs.conf"
# Two words to the kernel's disk builder: a small one starts sooner.
sed -i 's/^MODULES=.*/MODULES=list/' "$tree/etc/initramfs-tools/initramfs.conf"
printf 'virtio_pci\nvirtio_blk\next4\n' > "$tree/etc/initramfs-tools/modules"
in_tree update-initramfs -u >/dev/null
cp "$tree"/boot/vmlinuz-* "$out/vmlinuz"
cp "$tree"/boot/initrd.img-* "$out/initrd"

say "the disk"
umount "$tree/proc" "$tree/dev"
truncate -s 6G "$out/base.raw"
mke2fs -q -t ext4 -d "$tree" "$out/base.raw"
qemu-img convert -O qcow2 "$out/base.raw" "$out/base.qcow2"
rm -rf "$tree" "$out/base.raw" "$out/debian.sources"
