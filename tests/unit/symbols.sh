#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the libraries show to the linker: the static one only names with its own prefixes, the shared
# one exactly what the public headers declare, in its version node.
# Usage: symbols.sh static LIBRARY | symbols.sh shared LIBRARY INCLUDE_DIR
set -eu

# Names that begin with two underscores are the compiler's (sanitizers).
case $1 in
static)
	names=$(nm -g --defined-only "$2" | awk 'NF == 3 && $3 !~ /^__/ { print $3 }')
	[ "$(echo "$names" | wc -l)" -ge 50 ] || { echo "too few symbols in $2" >&2; exit 1; }
	bad=$(echo "$names" | grep -Ev '^(wrasse|nvme|pool|rdmat|options|target)_' || true)
	[ -z "$bad" ] || { echo "global symbols that could clash:" $bad >&2; exit 1; }
	;;
shared)
	have=$(nm -D --defined-only "$2" |
		awk '$2 ~ /[TDBRV]/ && $3 !~ /^__/ { print $3 }' | LC_ALL=C sort)
	want=$(cat "$3"/wrasse/*.h | tr '\n' ' ' | grep -o 'WRASSE_API[^;({]*(' |
		sed 's/ *($//; s/.*[ *]//' | grep -v '^__' | LC_ALL=C sort | sed 's/$/@@WRASSE_0.1/')
	[ "$have" = "$want" ] || {
		printf 'exported:\n%s\ndeclared:\n%s\n' "$have" "$want" >&2
		exit 1
	}
	;;
esac
