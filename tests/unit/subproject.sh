#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# wrasse as a Meson subproject: a project that has nothing but hello.c and this tree builds and starts.
# Usage: subproject.sh SOURCE_ROOT MESON
set -eu

root=$1
meson=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/subprojects"
ln -s "$root" "$dir/subprojects/wrasse"
cp "$root/examples/hello/hello.c" "$dir"
cat >"$dir/meson.build" <<-'EOF'
	project('embedder', 'c')
	executable('embedder', 'hello.c', dependencies: dependency('wrasse', fallback: 'wrasse'))
EOF
"$meson" setup "$dir/build" "$dir" --buildtype=plain --default-library=static --force-fallback-for=wrasse
"$meson" compile -C "$dir/build"

# Nobody has this address (RFC 5737): it starts, and says what it could not do.
status=0
"$dir/build/embedder" 192.0.2.1 >"$dir/said" 2>&1 || status=$?
cat "$dir/said"
[ "$status" = 1 ] && grep -q '^hello: listener: ' "$dir/said"
