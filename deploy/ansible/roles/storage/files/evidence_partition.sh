#!/bin/sh
# Makes the partition for evidence: LUKS2, opened by this board alone, ext4 inside; or finds it made.
#
#   evidence_partition.sh DEVICE tpm2|firmware|keyfile|none FORMAT
#
# FORMAT is `yes` where something else on the partition may be destroyed. Says `changed: ...` for
# what it did. Cut off anywhere it is run again: until the last step the header is labelled
# `roeh-evidence-unfinished`, has never held anything and is made anew; from then on its label is
# `roeh-evidence`, and no run touches it again, whatever FORMAT says.
set -eu

DEVICE=$1 KIND=$2 FORMAT=$3
NAME=roeh-evidence
UNFINISHED=$NAME-unfinished
KEY_FILE=/etc/roeh/evidence.key

refuse() {
	echo "$1: $DEVICE; $2" >&2
	exit 1
}

label() { blkid --probe --match-tag LABEL --output value "$1" 2>/dev/null || true; }
kind_of() { blkid --probe --match-tag TYPE --output value "$1" 2>/dev/null || true; }

# 2 is blkid's word for nothing known; anything else, a table of partitions too, is something.
is_blank() {
	status=0
	blkid --probe "$1" >/dev/null 2>&1 || status=$?
	[ "$status" -eq 2 ]
}

# A key that is there at every start; for a TPM, one for this run alone.
key() {
	case $KIND in
	keyfile)
		if [ ! -s "$KEY_FILE" ]; then
			umask 077
			head -c 64 /dev/urandom >"$KEY_FILE.new"
			sync "$KEY_FILE.new"
			mv "$KEY_FILE.new" "$KEY_FILE"
			sync /etc/roeh
		fi
		echo "$KEY_FILE"
		;;
	firmware)
		systemctl restart roeh-disk-key.service
		echo /run/roeh-disk-key/key
		;;
	tpm2)
		umask 077
		mkdir -p /run/roeh-storage
		# As text: it is given to systemd-cryptenroll as a password.
		head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >/run/roeh-storage/key
		echo /run/roeh-storage/key
		;;
	esac
}

make_plain() {
	mkfs.ext4 -q -F -L "$UNFINISHED" "$DEVICE"
	e2label "$DEVICE" "$NAME"
	sync "$DEVICE"
}

make_encrypted() {
	made_with=$(key)
	if [ -e "/dev/mapper/$UNFINISHED" ]; then cryptsetup close "$UNFINISHED"; fi
	cryptsetup luksFormat --type luks2 --batch-mode --key-slot 0 --label "$UNFINISHED" \
		"$DEVICE" "$made_with"
	cryptsetup open --key-file "$made_with" "$DEVICE" "$UNFINISHED"
	mkfs.ext4 -q -F -L "$NAME" "/dev/mapper/$UNFINISHED"
	cryptsetup close "$UNFINISHED"
	if [ "$KIND" = tpm2 ]; then
		# Then the key of this run is no key any more.
		# By its environment: systemd of a Jetson (249) has no --unlock-key-file.
		PASSWORD=$(cat "$made_with") systemd-cryptenroll --tpm2-device=auto "$DEVICE"
		cryptsetup luksKillSlot --batch-mode "$DEVICE" 0
		rm -f "$made_with"
	fi
	cryptsetup config --label "$NAME" "$DEVICE"
	sync "$DEVICE"
}

[ -b "$DEVICE" ] || refuse "no such partition" "see roeh_evidence_device, or whether the disk is in"
wanted=crypto_LUKS
[ "$KIND" != none ] || wanted=ext4
found=$(kind_of "$DEVICE")
case "$found $(label "$DEVICE")" in
"$wanted $NAME") exit 0 ;;
"$wanted $UNFINISHED") ;;
*)
	if ! is_blank "$DEVICE" && [ "$FORMAT" != yes ]; then
		refuse "it holds ${found:-something}, which would be destroyed" \
			"if that is meant: once with -e roeh_format_evidence=NAME-OF-THE-POLE"
	fi
	# Ours, made for another kind of key: that is a decision about evidence, and none for a run.
	if [ "$(label "$DEVICE")" = "$NAME" ]; then
		refuse "it holds evidence under another roeh_disk_key" "decommission the pole first"
	fi
	;;
esac
if [ "$KIND" = none ]; then make_plain; else make_encrypted; fi
echo "changed: $DEVICE made, key: $KIND"
