#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh GROUP...: install those packages of tools/packages.txt that are missing. Silent if none is.
. "$(dirname "$0")/lib.sh"

wanted()
{
    local group
    for group; do
        sed -n "s/^$group //p" "$ROOT/tools/packages.txt"
    done | sort -u
}

missing=()
for pkg in $(wanted "${@:-run}"); do
    case $(dpkg-query -W -f='${Status}' "$pkg" 2>/dev/null || true) in
    *" installed") ;;
    *) missing+=("$pkg") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "installing ${missing[*]}"
if [ "${DEPS_DRY_RUN:-0}" = 1 ]; then
    exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo: install these packages by hand"
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq || say "some package lists could not be read; going on with those there are"
log=$(mktemp)
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 \
    --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    die "apt-get could not install ${missing[*]}"
fi
rm -f "$log"
