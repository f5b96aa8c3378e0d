#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The program in README.md compiles without a warning and links.
# Usage: readme.sh README INCLUDE_DIR LIBRARY COMPILER...
set -eu

readme=$1
include=$2
library=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

awk '/^```/ { on = $0 == "```c"; next } on' "$readme" >"$dir/readme.c"
grep -q 'int main(' "$dir/readme.c" || { echo "no C program found in $readme" >&2; exit 1; }
# What the library was built with, if it was there.
isal=$(pkg-config --libs libisal 2>/dev/null || true)
# shellcheck disable=SC2086
"$@" -std=c17 -Wall -Wextra -Werror -I "$include" -o "$dir/readme" "$dir/readme.c" "$library" \
	-lrdmacm -libverbs -lnuma -lcrypto $isal -pthread
