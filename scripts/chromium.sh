#!/bin/sh
# Sees to it that the browser tests find a Chromium on PATH.
set -eu

if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    echo "Installing Debian's chromium for the browser tests."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "No 'chromium' on PATH: the browser tests will be skipped." >&2
echo "On Debian or Ubuntu: sudo apt-get install chromium. Elsewhere put a Chromium on PATH." >&2
test -z "${CI:-}"   # CI must not skip them
