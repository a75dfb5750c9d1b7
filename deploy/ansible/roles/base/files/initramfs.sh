#!/bin/sh
# Makes the initial RAM disk anew where it is older than what goes into it (the arguments). Whether it
# is, is looked at each time: a run that was killed in between loses nothing.
set -eu

kernel=$(uname -r)
image=${ROEH_BOOT:-/boot}/initrd.img-$kernel
how=-c
if [ -e "$image" ]; then
	how=-u
	[ -n "$(find "$@" -newer "$image")" ] || exit 0
fi
# A Raspberry Pi's firmware reads a copy, from a partition that is for reading alone until now.
if mountpoint -q /boot/firmware; then
	mount -o remount,rw /boot/firmware
	trap 'mount -o remount /boot/firmware' EXIT
fi
update-initramfs "$how" -k "$kernel" >&2
echo "changed: $image made anew"
