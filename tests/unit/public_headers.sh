#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each public header compiles alone, as C11 and, if there is a compiler for it, as C++.
# Usage: public_headers.sh INCLUDE_DIR LANGUAGE_STANDARD COMPILER...
set -eu

include=$1
std=$2
shift 2
case $std in
c++*) language=c++ ;;
*) language=c ;;
esac

failed=0
count=0
for header in "$include"/wrasse/*.h; do
	name=wrasse/${header##*/}
	count=$((count + 1))
	# Twice: it must also guard itself.
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
		"$@" -x "$language" -std="$std" -pedantic -Wall -Wextra -Werror -Wno-unused-parameter \
			-fsyntax-only -I "$include" - || {
		echo "$name does not compile alone as $std" >&2
		failed=1
	}
done
[ "$count" -ge 9 ] || { echo "only $count headers found in $include" >&2; exit 1; }
exit $failed
