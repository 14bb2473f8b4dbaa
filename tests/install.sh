#!/bin/sh
# Makes a virtual environment with what the tests need: install.sh PYTHON FOLDER. Done at once when it is there already.
set -eu

python=$1
folder=$2
requirements=$(dirname "$0")/requirements.txt

# The clock of a process steps with this library; without it the tests that need it are left out.
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] && ! ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1; then
    apt-get update -q && apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 libfaketime || true
fi

if cmp -s "$requirements" "$folder/installed.txt"; then
    exit 0
fi

# A Python without `ensurepip` (Debian without python3-venv) makes no environment with pip in it.
make_environment() {
    rm -rf "$folder"
    "$python" -m venv "$folder" >/dev/null 2>&1
}

if ! make_environment && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q && apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 python3-venv
    make_environment || true
fi

if [ -x "$folder/bin/pip" ]; then
    "$folder/bin/pip" install -q --disable-pip-version-check -r "$requirements"
elif "$python" -m pip --version >/dev/null 2>&1; then
    # The environment without pip, filled by the pip outside of it.
    rm -rf "$folder"
    "$python" -m venv --without-pip "$folder"
    "$python" -m pip --python "$folder/bin/python" install -q --disable-pip-version-check -r "$requirements"
else
    echo "$python has neither ensurepip nor pip: install python3-venv (Debian) or pip, and run this again" >&2
    exit 1
fi

cp "$requirements" "$folder/installed.txt"
