# Says what is not well, a line each; nothing when all is.
for unit in mosquitto.service roeh-desk-ingest.service roeh-desk-republish.service; do
    systemctl --quiet is-active "$unit" || echo "$unit does not run"
done
for port in 8883 8884; do
    test -n "$(ss -Hltn "sport = :$port")" || echo "nobody listens on $port"
done
# Ingest's own connection to the broker's door for services; the republisher dials when it has something to say.
test "$(ss -Htn state established "sport = :8884" | wc -l)" -ge 1 || echo "the desk has no connection to the broker"
# As soon as they run; the node exporter shows them, and alert rules look at them.
for process in ingest republish; do
    test -f /var/lib/roeh/metrics/roeh_$process.prom || echo "$process has written no metrics to /var/lib/roeh/metrics"
done
if grep -q '^url = "postgresql' /etc/roeh/desk.toml; then
    cd / && runuser -u roeh-desk -- psql --no-psqlrc --quiet --tuples-only --command 'SELECT 1' \
        'postgresql://roeh-desk@/roeh?host=/run/postgresql' > /dev/null 2>&1 \
        || echo "the desk's user cannot open its database"
fi
