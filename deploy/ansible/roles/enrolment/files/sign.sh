# Requests by standard input, certificates by standard output. $1: the CA's directory.
umask 077
folder=$(mktemp -d /run/roeh-enrolment.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/requests.csr.pem"
ca=$1
set --
if test -f /etc/roeh/nodes-ca.passphrase; then
    set -- --passphrase-file /etc/roeh/nodes-ca.passphrase
fi
/usr/local/bin/roeh keys sign --enrol "$folder/requests.csr.pem" --ca "$ca" \
    --out "$folder/certificates.pem" "$@" >&2
cat "$folder/certificates.pem"
