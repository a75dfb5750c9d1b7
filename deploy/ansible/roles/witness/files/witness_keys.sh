# Makes the witness's keys where there are none, and says so: "made"; then, as `file NAME BASE64`,
# their public halves as poles, desk and verifiers take them.
there=$(ls -A /var/lib/roeh-witness)
keys=$(cd / && runuser -u roeh-witness -- /usr/local/bin/roeh desk keys --witness -c /etc/roeh/witness.toml)
if test "$there" != "$(ls -A /var/lib/roeh-witness)"; then echo made; fi
echo "file $1.keys $(printf '%s\n' "$keys" | base64 --wrap=0)"
