#!/bin/sh
# Builds the board's disk as a vendor hands it over: firmware's boot partition and Debian 12.
#
#   unshare --mount --pid --fork --kill-child sh image.sh DIRECTORY
#
# DIRECTORY holds debian.sources; afterwards it holds base.qcow2, key and host_key.
# Everything behind the root partition is free: systemd-repart divides it on the first boot.
# Needs root; mounts no image, so neither loop devices nor a device mapper are needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
common=$here/../../firmware-config/common
out=$1
tree=$out/tree
esp=$out/esp.raw
disk=$out/base.raw
say() { echo "qemu-pole: $*"; }
in_tree() { chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

say "Debian's packages"
packages=$(sed 's/#.*//' "$here/guest_packages.txt" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
# Kept beside: what is changed below it takes a minute less.
kept=$out/../debian-$(echo "$packages" | sha256sum | cut -c 1-16).tar
if [ ! -e "$kept" ]; then
    rm -f "$out"/../debian-*.tar
    mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$out/debian.tar" "$out/debian.sources"
    mv "$out/debian.tar" "$kept"
fi
mkdir "$tree"
tar -C "$tree" -x -f "$kept"
# No way out: what is installed later comes from the bundle.
rm -rf "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/* "$tree"/var/lib/apt/lists/*

say "the board's own files"
ssh-keygen -q -t ed25519 -N '' -C technician -f "$out/key"
in_tree useradd --create-home --shell /bin/bash technician
echo 'technician ALL=(ALL) NOPASSWD: ALL' > "$tree/etc/sudoers.d/technician"
install -d -m 700 "$tree/home/technician/.ssh"
install -m 600 "$out/key.pub" "$tree/home/technician/.ssh/authorized_keys"
in_tree chown -R technician: /home/technician
in_tree ssh-keygen -A >/dev/null
install -m 600 "$tree/etc/ssh/ssh_host_ed25519_key" "$out/host_key"
install -m 644 "$tree/etc/ssh/ssh_host_ed25519_key.pub" "$out/host_key.pub"
in_tree systemd-machine-id-setup >/dev/null
echo pole-1 > "$tree/etc/hostname"
echo '127.0.0.1 localhost pole-1' > "$tree/etc/hosts"
: > "$tree/etc/resolv.conf"
# How a depot prepares a board: partitions, layer over the root, disk key, watchdog.
put() { mode=$1 target=$tree$2; shift 2; mkdir -p "$target"; install -m "$mode" "$@" "$target"; }
put 0644 /usr/local/share/roeh-depot "$common"/repart.d/*.conf
cp -r "$common"/repart-tpm2/* "$tree/usr/local/share/roeh-depot/"
put 0755 /etc/initramfs-tools/scripts/local-bottom "$common/overlay-root/roeh-overlay"
install -m 0755 "$common/overlay-root/roeh-overlay.hook" "$tree/etc/initramfs-tools/hooks/roeh-overlay"
put 0644 /etc/systemd/system "$common/overlay-root/roeh-overlay-confirm.service"
put 0644 /etc/systemd/system.conf.d "$common"/system.conf.d/*.conf
# Reading its units anew takes systemd 9 s here, and it feeds no watchdog meanwhile: six times the
# board's 15 s (roeh.conf, which is read before), as with all else (suite/qemu.py: patience).
printf '[Manager]\nRuntimeWatchdogSec=90s\n' > "$tree/etc/systemd/system.conf.d/slower-processor.conf"
put 0644 /etc/modprobe.d "$common"/modprobe.d/*.conf
install -m 0644 "$common/mounts/crypttab-tpm2" "$tree/etc/crypttab"
install -m 0644 "$common/mounts/fstab" "$tree/etc/fstab"
mkdir -p "$tree/boot/firmware" "$tree/var/lib/roeh"
printf 'i6300esb\ntpm_crb\n' > "$tree/etc/modules-load.d/board.conf"
# The chipset's own watchdog, which this QEMU does not connect to the reset line.
echo 'blacklist iTCO_wdt' > "$tree/etc/modprobe.d/board.conf"
printf '[Match]\nName=en* eth*\n[Network]\nAddress=10.77.1.11/24\nGateway=10.77.1.1\nLinkLocalAddressing=no\n' \
    > "$tree/etc/systemd/network/10-street.network"
in_tree systemctl --quiet enable systemd-networkd ssh roeh-overlay-confirm
in_tree systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer systemd-repart.service \
    systemd-networkd-wait-online.service e2scrub_reap.service
# A small first disk starts sooner; what a pole's root needs is here.
echo COMPRESS=gzip >> "$tree/etc/initramfs-tools/initramfs.conf"
sed -i 's/^MODULES=.*/MODULES=list/' "$tree/etc/initramfs-tools/initramfs.conf"
printf '%s\n' virtio_pci virtio_blk ext4 overlay >> "$tree/etc/initramfs-tools/modules"
mount -t proc proc "$tree/proc"
in_tree update-initramfs -u >/dev/null
umount "$tree/proc"

say "the disk: boot partition, root, and the rest of it free"
truncate -s 32G "$disk"
sfdisk --quiet "$disk" <<LAYOUT
label: gpt
start=2048, size=512MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="roeh-boot"
size=6GiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="roeh-root"
LAYOUT
truncate -s 512M "$esp"
mkfs.vfat -F 32 -n BOOT "$esp" >/dev/null
mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i "$esp" "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$esp" "$tree"/boot/vmlinuz-* ::/vmlinuz
mcopy -i "$esp" "$tree"/boot/initrd.img-* ::/initrd
printf 'timeout 0\neditor no\ndefault pole.conf\n' > "$out/loader.conf"
printf '%s\n' 'title pole' 'linux /vmlinuz' 'initrd /initrd' \
    'options root=PARTLABEL=roeh-root ro console=ttyS0 quiet mitigations=off roeh.overlay=PARTLABEL=roeh-state' > "$out/pole.conf"
mcopy -i "$esp" "$out/loader.conf" ::/loader/loader.conf
mcopy -i "$esp" "$out/pole.conf" ::/loader/entries/pole.conf
dd if="$esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
root_start=$((1 + 512))
mke2fs -q -t ext4 -L root -E "offset=$((root_start * 1048576))" -d "$tree" "$disk" 6G
qemu-img convert -O qcow2 "$disk" "$out/base.qcow2"
rm -rf "$tree" "$disk" "$esp" "$out/loader.conf" "$out/pole.conf" "$out/debian.sources"
