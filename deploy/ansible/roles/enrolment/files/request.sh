# The token comes by standard input, lies in memory alone for as long as it is needed, and is not
# in any list of processes. What is to be asked for: request, or rotate USAGE...
umask 077
folder=/run/roeh-enrolment
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/token"
/usr/local/bin/roeh keys "$@" -c /etc/roeh/node.toml \
    --token-file "$folder/token" --out "$folder/requests.csr.pem" >&2
cat "$folder/requests.csr.pem"
