# SPDX-License-Identifier: BSD-2-Clause
# Shared by the shell tools: paths, messages, and an apt of our own for packages the system must not install.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in
/*) ;;
*) BUILD=$ROOT/$BUILD ;;
esac
ME=$(basename "$0" .sh)

say() { echo "$ME: $*" >&2; }

die()
{
    say "$*"
    exit 1
}

# with_lock NAME COMMAND...: two makes, or two test workers, must not fetch the same thing at once.
with_lock()
{
    mkdir -p "$BUILD"
    (
        exec 9>"$BUILD/.lock-$1"
        flock 9
        shift
        "$@"
    )
}

# "URI SUITE", one pair a line, of every source of binary packages the system knows (both notations).
system_sources()
{
    local f
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$f" ] && sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) +([^ ]+) .*/\2 \3/p' "$f"
    done
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -r "$f" ] || continue
        awk '
            function flush(  i, j, n, m, u, s) {
                n = split(uris, u, " "); m = split(suites, s, " ")
                for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) print u[i], s[j]
                uris = suites = ""
            }
            /^#/ { next }
            /^[ \t]*$/ { flush() }
            /^URIs:/ { sub(/^URIs:/, ""); uris = $0 }
            /^Suites:/ { sub(/^Suites:/, ""); suites = $0 }
            END { flush() }' "$f"
    done
    return 0
}

# The mirror the system uses for SUITE; nothing if it has none.
mirror_if_any() { system_sources | awk -v s="$1" '$2 == s && !n++ { print $1 }'; }

# The same, where it must have one.
mirror_of()
{
    local uri
    uri=$(mirror_if_any "$1")
    [ -n "$uri" ] || die "no source for $1 in /etc/apt: add Debian's mirror for it"
    echo "$uri"
}

CODENAME=bookworm
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_sources SUITE: the lines of a private sources.list. Updates and security fixes come from where the system has them;
# backports and sid from the same mirror as the release.
apt_sources()
{
    local opt="[signed-by=$KEYRING]" debian suite uri
    debian=$(mirror_of "$CODENAME")
    if [ "$1" = sid ]; then
        echo "deb $opt $debian sid main"
        return 0
    fi
    echo "deb $opt $debian $CODENAME main"
    for suite in "$CODENAME-updates" "$CODENAME-security"; do
        uri=$(mirror_if_any "$suite")
        [ -z "$uri" ] || echo "deb $opt $uri $suite main"
    done
    [ "$1" = "$CODENAME" ] || echo "deb $opt $debian $1 main"
}

# apt_in SUITE apt-get|apt-cache ARGS...: apt with state of its own under build/apt; the system's is not touched.
# APT_STATUS names the dpkg status file to resolve against; an empty one unless set.
apt_in()
{
    local dir=$BUILD/apt/$1 tool=$2
    shift 2
    "$tool" -q -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts="$dir/none" \
        -o Dir::Etc::PreferencesParts="$dir/none" -o Dir::State="$dir/state" -o Dir::Cache="$dir/cache" \
        -o Dir::State::status="${APT_STATUS:-$dir/status}" -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Acquire::Retries=3 -o Debug::NoLocking=1 -o APT::Architecture=amd64 "$@"
}

# apt_ready SUITE: package lists of SUITE no older than a day.
apt_ready()
{
    local suite=$1 dir=$BUILD/apt/$1
    mkdir -p "$dir/none" "$dir/state/lists/partial" "$dir/cache/archives/partial"
    : >>"$dir/status"
    [ -z "$(find "$dir/ready" -mmin -1440 2>/dev/null)" ] || return 0
    say "reading the package lists of $suite"
    apt_sources "$suite" >"$dir/sources.list"
    apt_in "$suite" apt-get update -qq -o APT::Update::Error-Mode=any >&2 ||
        die "the system's mirror does not serve $suite"
    touch "$dir/ready"
}

# apt_unpack SUITE DIR PACKAGE[=VERSION]...: download and unpack below DIR, without installing anything.
apt_unpack()
{
    local suite=$1 dir=$2 debs
    shift 2
    mkdir -p "$dir"
    debs=$(mktemp -d "$BUILD/debs.XXXXXX")
    say "downloading $*"
    (cd "$debs" && apt_in "$suite" apt-get download "$@" >&2) || die "download failed: $*"
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$dir"
    done
    rm -rf "$debs"
}
