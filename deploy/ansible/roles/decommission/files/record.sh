# Keeps the last checkpoint (standard input) beside those of other lives of a pole of this name:
# $1-HASH.checkpoint, whole and on the disk. A pole that is half erased has none to say any more:
# then there has to be one.
umask 077
mkdir -p "$(dirname "$1")"
cat > "$1.new"
if ! test -s "$1.new"; then
    rm "$1.new"
    ls "$1"-*.checkpoint
    exit
fi
hash=$(sha256sum < "$1.new" | cut -d' ' -f1)
kept=$1-$(printf %.12s "$hash").checkpoint
if test -s "$kept"; then
    rm "$1.new"
    echo "kept already: $kept"
else
    sync "$1.new"
    mv "$1.new" "$kept"
    sync "$(dirname "$1")"
    echo "kept now: $kept sha256 $hash"
fi
