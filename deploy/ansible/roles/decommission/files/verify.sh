# Tries to open what was erased. $1: the evidence partition, or empty.
device=$1
if test -n "$device"; then
    if cryptsetup isLuks "$device" || blkid -p "$device" > /dev/null 2>&1; then
        echo "$device still says what it is" >&2
        exit 1
    fi
    if cryptsetup open --test-passphrase --batch-mode "$device" < /dev/null 2> /dev/null; then
        echo "$device still opens" >&2
        exit 1
    fi
fi
left=$(find /var/lib/roeh /etc/roeh -mindepth 1 2> /dev/null | head -5)
if test -n "$left"; then
    echo "still there: $left" >&2
    exit 1
fi
if systemctl --quiet is-active roeh-capture.service roeh-detect.service roeh-evidence.service \
    roeh-publish.service roeh-retrieve.service 'roeh-usb@*.service'; then
    echo "a process of the pole still runs" >&2
    exit 1
fi
