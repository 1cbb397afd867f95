#!/bin/sh
# inventory.sh COMPUTER: writes what this machine is to inventory/COMPUTER.txt.
set -eu
mkdir -p inventory
{
    echo "computer: $1"
    echo "system:   $(uname -srm)"
    if [ -r /etc/os-release ]; then sed -n 's/^PRETTY_NAME="\(.*\)"$/release:  \1/p' /etc/os-release; fi
    echo "cores:    $(getconf _NPROCESSORS_ONLN)"
    if [ -r /proc/meminfo ]; then awk '/^MemTotal:/ { print "memory:   " $2 " KiB" }' /proc/meminfo; fi
} > "inventory/$1.txt"
