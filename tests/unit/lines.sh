#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A file has fewer lines than a limit. Usage: lines.sh FILE LIMIT
count=$(wc -l <"$1")
[ "$count" -lt "$2" ] || { echo "$1: $count lines, the limit is $2" >&2; exit 1; }
