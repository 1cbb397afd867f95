#!/bin/sh
# setup.sh PREFIX COMPUTER: sets the Notes application up under PREFIX.
# DESKHAND_ROOT is the folder that stands for `/`, if the agent was started with one.
set -eu
prefix="${DESKHAND_ROOT:-}$1"
mkdir -p "$prefix/bin" "$prefix/etc"
cp notes.sh "$prefix/bin/notes"
chmod 755 "$prefix/bin/notes"
printf 'computer = %s\n' "$2" > "$prefix/etc/notes.conf"
"$prefix/bin/notes" --version
