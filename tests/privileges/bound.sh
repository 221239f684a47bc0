#!/bin/sh
# bound.sh (FROM TO)... -- COMMAND...: bind each FROM read-only at TO, then become COMMAND.
#
# Runs in a mount namespace of its own, so that nothing of it is seen outside and nothing is left to take down. A user
# without rights can then start an interpreter that lies where he may not look.
set -eu
while [ "$1" != -- ]; do
    mkdir -p "$2"
    mount --bind -o ro "$1" "$2"
    shift 2
done
shift
exec "$@"
