"""The pole's own page of its health, as JSON; status 1 while evidence does not answer."""

import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen("http://127.0.0.1:8440/health.json", timeout=10) as answer:
        sys.stdout.write(answer.read().decode())
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"health: {error}")
