#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Which complaints of the host's kernel tests/softroce/lib takes for rdma_rxe's own fault, and that no other passes.
# Usage: kmsg.sh ROOT
set -u
# shellcheck source=tests/softroce/lib
. "$1/tests/softroce/lib"

twice='[2] rdma_rxe: rxe_reg_fast_mr: mr->lkey = 0x2ef8 not free'
memreg='[2] nvme nvme0: MEMREG for CQE 0x00000000b741fbd2 failed with status local QP operation error (2)'
recovery='[2] nvme nvme0: starting error recovery
[2] nvme nvme0: Reconnecting in 10 seconds...
[9] nvme nvme0: Successfully reconnected (1 attempts)'
bad=0

# check VERDICT WHAT LINES: what the pauses, which want no reconnect, say of a log
check()
{
	local lines=$3 verdict=good
	KMSG_MARK='the mark'
	WHY=
	# shellcheck disable=SC2317
	dmesg()
	{
		printf '%s\n' '[0] nvme nvme0: error of an earlier test' "[1] $KMSG_MARK" "$lines"
	}
	kmsg_has_no 'nvme.*(timeout|abort|reset|reconnect|error|failed)' >/dev/null || verdict=bad
	[[ $verdict == "$1" ]] && return
	echo "$2: taken for $verdict${WHY:+: $WHY}"
	bad=1
}

check good 'a quiet log' '[2] something else'
check good 'a registration carried out twice' "$twice"$'\n'"$memreg"$'\n'"$recovery"
check bad 'a reconnect without a reason' "$recovery"
check bad 'a registration that failed otherwise' "$memreg"$'\n'"$recovery"
check bad 'one reconnect too many' "$twice"$'\n'"$memreg"$'\n'"$recovery"$'\n'"$recovery"
check bad 'a reconnect of another controller' "$twice"$'\n'"$memreg"$'\n'"${recovery//nvme0/nvme1}"
check bad 'two failures for one fault' "$twice"$'\n'"$memreg"$'\n'"$memreg"
check bad 'a timeout besides' "$twice"$'\n'"$memreg"$'\n''[3] nvme nvme0: I/O 3 QID 1 timeout'

# check_fault STATUS BEFORE LINES: whether rdma_rxe's fault is seen, and that of an earlier test is not
check_fault()
{
	local before=$2 lines=$3
	# shellcheck disable=SC2317
	dmesg()
	{
		printf '%s\n' "$before" "[1] $KMSG_MARK" "$lines"
	}
	kmsg_rxe_faulted
	(($? == $1)) && return
	echo "rdma_rxe's fault: not $1 with '$before' before and '$lines' after the mark"
	bad=1
}

KMSG_MARK='the mark'
check_fault 0 'quiet' "$twice"
check_fault 0 'quiet' "$twice"$'\n''[9] nvme nvme0: I/O 1 QID 0 timeout'
check_fault 1 "$twice" 'quiet'
check_fault 1 'quiet' "$memreg"
((bad == 0))
exit
