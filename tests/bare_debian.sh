#!/usr/bin/env bash
# Runs a command, .ci/run by default, on a clone of this checkout (what is committed) in a bare Debian. Needs root, debootstrap
# and git; 6 GB, and with .ci/run about 40 minutes of two cores.
#
#   tests/bare_debian.sh [COMMAND...]
#   SUITE=trixie BARE=/var/tmp/bare tests/bare_debian.sh make test-base
#
# SUITE: Debian's release, bookworm by default. BARE: folder of the root; what is there from an earlier run is used again.
set -euo pipefail
suite=${SUITE:-bookworm}
bare=${BARE:-${TMPDIR:-/tmp}/hw-amc-$suite}
checkout=$(cd "$(dirname "$0")/.." && git rev-parse --show-toplevel)
[ $# -gt 0 ] || set -- .ci/run

if ! [ -e "$bare/etc/debian_version" ]; then
    debootstrap --variant=minbase "$suite" "$bare" http://deb.debian.org/debian
fi
# How this computer reaches the network, and whom it trusts; nothing else of it.
cp -L /etc/resolv.conf "$bare/etc/resolv.conf"
trusted=()
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$bare/etc/host-certificates.crt"
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO; do
        trusted+=("$name=/etc/host-certificates.crt")
    done
fi
for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || trusted+=("$name=${!name}")
done
if ! [ -e "$bare/opt/hw_amc" ]; then
    git clone --quiet --no-local "$checkout" "$bare/opt/hw_amc"
fi

# The mounts are of a namespace of their own: they end with the command.
exec unshare --mount --pid --fork -- bash -euc '
    bare=$1; shift
    mount --make-rprivate /
    mount -t proc proc "$bare/proc"
    mount --rbind /dev "$bare/dev"
    # In a session of its own: a process group from outside has the number 0 in here, which kill takes for the caller'"'"'s.
    setsid --wait chroot "$bare" /usr/bin/env -i HOME=/home LANG=C.UTF-8 PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
        "$@"
    exit' bash "$bare" "${trusted[@]}" bash -c 'cd /opt/hw_amc && echo "Debian $(cat /etc/debian_version)" && exec "$@"' bash "$@"
