#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What README.md says installs the library does, and the program in README.md links with what was installed: with the
# shared library and the static one, with gcc and clang.
# Usage: install.sh ROOT
set -eu

root=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

command=$(grep '^meson setup build .*meson install -C build$' "$root/README.md")
awk '/^```/ { on = $0 == "```c"; next } on' "$root/README.md" >"$dir/readme.c"
mkdir "$dir/tree"
for entry in "$root"/*; do
	[ "$(basename "$entry")" = build ] || ln -s "$entry" "$dir/tree/"
done
(cd "$dir/tree" && DESTDIR=$dir/installed sh -ec "$command") >"$dir/log" 2>&1 ||
	{ tail -n 20 "$dir/log" >&2; exit 1; }
pc=$(find "$dir/installed" -name wrasse.pc)
[ "$pc" ] || { echo "no wrasse.pc was installed" >&2; exit 1; }
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$dir/installed
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
libdir=$(dirname "$(dirname "$pc")")
# The system's own are not below the root of what was installed.
needs=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs wrasse | tr ' ' '\n' | grep -v -e '^-lwrasse$' -e '^-L' | tr '\n' ' ')
for cc in gcc clang; do
	command -v "$cc" >/dev/null || continue
	# shellcheck disable=SC2046,SC2086
	"$cc" $(pkg-config --cflags wrasse) -o "$dir/shared-$cc" "$dir/readme.c" $(pkg-config --libs wrasse)
	# shellcheck disable=SC2046,SC2086
	"$cc" $(pkg-config --cflags wrasse) -o "$dir/static-$cc" "$dir/readme.c" "$libdir/libwrasse.a" $needs
	LD_LIBRARY_PATH=$libdir ldd "$dir/shared-$cc" | grep -q "$libdir/libwrasse.so" ||
		{ echo "$cc: not linked with the installed library" >&2; exit 1; }
done
