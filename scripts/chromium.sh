#!/bin/sh
# Sees to it that the browser tests find a Chromium on PATH. Best is Debian's chromium-headless-shell, which has no
# windows and takes half of the processor time.
set -eu

if command -v chromium-headless-shell >/dev/null; then
    exit 0
fi
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}
if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    echo "Installing Debian's Chromium for the browser tests."
    apt-get update -qq || true
    if install chromium-headless-shell; then
        exit 0
    fi
    if ! command -v chromium >/dev/null; then
        install chromium
    fi
fi
if command -v chromium >/dev/null; then
    exit 0
fi
echo "No Chromium on PATH: the browser tests will fail." >&2
echo "On Debian or Ubuntu: sudo apt-get install chromium-headless-shell. Elsewhere put a 'chromium' on PATH." >&2
test -z "${CI:-}"   # CI must not skip them
