#!/bin/sh
# Makes a virtual environment with the first Python that is new enough: sh scripts/venv.sh .venv
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
python=
for candidate in ${PYTHON:-python3} python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c "$new_enough" 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "durablenb needs Python 3.11 or later, and found $(python3 --version 2>&1 || true)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12 demo" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian keeps these in a package of their own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    else
        echo "$python has no venv module: install Debian's python3-venv, then try again." >&2
        exit 1
    fi
fi

"$python" -m venv "$1"
