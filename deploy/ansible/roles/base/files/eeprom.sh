#!/bin/sh
# Gives a Raspberry Pi's bootloader its settings ($1: a file of them), where it has others. They are in
# force from the next start on, and until then the firmware says the old ones: what was given to it
# since the last start is remembered in memory, and so is asked for once.
set -eu

wanted=$1
given=${ROEH_EEPROM_GIVEN:-/run/roeh-eeprom}

settings() { grep -E '^(\[|[A-Z0-9_]+=)' | sort; }

command -v rpi-eeprom-config >/dev/null || {
	echo "rpi-eeprom-config is not installed: apt install rpi-eeprom, which comes with the board's system" >&2
	exit 1
}
if [ "$(rpi-eeprom-config | settings)" = "$(settings <"$wanted")" ]; then exit 0; fi
if cmp -s "$wanted" "$given"; then exit 0; fi
rpi-eeprom-config --apply "$wanted" >&2
cp "$wanted" "$given.new"
mv "$given.new" "$given"
echo "changed: the bootloader has other settings from the next start on"
