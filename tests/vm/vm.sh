# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by ./dev: runs a command where RDMA is real. On this machine when its kernel has rdma_rxe and the
# user may load it, otherwise in a QEMU guest with Debian's kernel that sees this machine's files read-only.
# Uses TREE (the work tree), say and die of ./dev.

VM_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wrasse
VM_MEMORY=${WRASSE_VM_MEMORY:-4G}
VM_CPUS=${WRASSE_VM_CPUS:-2}
VM_COUNTED=
# The modules that the guest needs before it sees any file; their dependencies are found with modprobe.
VM_BOOT_MODULES=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

vm_usage()
{
	cat <<-'EOF'
	usage: ./dev vm [--time SECONDS] [--results DIR] [--console FILE] [--kernel SERIES] [--force-vm | --counted] [CMD...]

	Runs CMD where RDMA is real, in the current directory, as root: on this machine when rdma_rxe can be
	loaded, otherwise in a VM (2 CPUs, 4 GiB; WRASSE_VM_CPUS, WRASSE_VM_MEMORY). Without CMD: a shell.

	  --time SECONDS   end CMD (and the VM) after that long, with status 124 (600; no limit for a shell)
	  --results DIR    where files go that CMD writes to the directory $WRASSE_RESULTS (build/vm-results)
	  --console FILE   where the guest's kernel messages are kept (build/vm-console.log)
	  --kernel SERIES  with a kernel of this series (such as 6.12) of Debian's backports, not with the release's own
	  --force-vm       use the VM even where this machine has rdma_rxe
	  --counted        a VM with one CPU that is emulated, and whose clock counts its instructions: one in a nanosecond

	In the VM this machine's files are readable and writes go to memory, except for $WRASSE_RESULTS.
	CMD's standard input is empty. Variables named WRASSE_* and the sanitizers' *SAN_OPTIONS are passed on.
	Status: CMD's own; 124 time limit; 125 the VM failed.
	EOF
}

# vm_native SERIES: true when this machine itself can do it.
vm_native()
{
	[[ ! $1 || $(uname -r) == "$1".* ]] || return
	((EUID == 0)) && { [[ -d /sys/module/rdma_rxe ]] || modprobe -q rdma_rxe 2>/dev/null; } &&
		[[ -d /sys/module/rdma_rxe ]]
}

# vm_kernel SERIES: fetches Debian's kernel once and unpacks it below the cache; sets VM_KERNEL and VM_RELEASE.
# Without a series it is the release's own kernel. Those of backports lie apart.
vm_kernel()
{
	VM_STORE=$VM_CACHE${1:+/backports}
	mkdir -p "$VM_STORE"
	local lock dir
	exec {lock}>"$VM_CACHE/lock"
	flock "$lock"
	if ! dir=$(vm_kernel_cached "$1"); then
		if [[ $1 ]]; then
			vm_backports_fetch "$1"
		else
			vm_release_fetch
		fi
		dir=$(vm_kernel_cached "$1") || die "no kernel in $VM_STORE after fetching one"
	fi
	exec {lock}>&-
	VM_KERNEL=$dir
	VM_RELEASE=${dir##*/kernel-}
}

# vm_kernel_cached SERIES: prints the directory of the newest complete kernel of the series in the store.
vm_kernel_cached()
{
	local dirs
	mapfile -t dirs < <(find "$VM_STORE" -mindepth 2 -maxdepth 2 -path "*/kernel-${1:+$1.}*/complete" \
		-printf '%h\n' | sort -V)
	((${#dirs[@]})) && echo "${dirs[-1]}"
}

vm_release_fetch()
{
	local package
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[[ $package ]] || die "apt-cache knows no linux-image-amd64: run 'apt-get update' (Debian amd64 is needed)"
	vm_kernel_fetch "$package"
}

# vm_backports_fetch SERIES: with lists of its own, so that this machine's apt knows no more than before.
vm_backports_fetch()
{
	local codename site apt package
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	site=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk -v release="$codename" '$2 == release && !found++ { print $1 }' || true)
	[[ $site ]] || die "apt has no source for Debian ${codename:-(no codename)}: no kernel $1"
	apt=$VM_STORE/apt
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	echo "deb $site $codename-backports main" >"$apt/sources.list"
	apt=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$apt/lists"
		-o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root -o Acquire::Retries=2)
	apt-get "${apt[@]}" -qq update >"$VM_STORE/update.log" 2>&1 && ! grep -q '^[EW]:' "$VM_STORE/update.log" || {
		cat "$VM_STORE/update.log" >&2
		die "Debian's backports are out of reach: no kernel $1"
	}
	package=$(apt-cache "${apt[@]}" pkgnames linux-image- |
		grep -E "^linux-image-${1//./\\.}\.[^-]*-amd64$" | sort -V | tail -n 1 || true)
	[[ $package ]] || die "$codename-backports has no kernel $1"
	vm_kernel_fetch "$package" "${apt[@]}"
}

# vm_kernel_fetch PACKAGE [APT'S OPTION...]
vm_kernel_fetch()
{
	local package=$1 tmp release
	shift
	say "fetching $package (70 to 110 MB, once; kept in $VM_STORE, not installed)"
	tmp=$(mktemp -d "$VM_STORE/fetch.XXXXXX")
	(cd "$tmp" && apt-get "$@" -qq download "$package" >download.log 2>&1) || {
		cat "$tmp/download.log" >&2
		rm -rf "$tmp"
		die "cannot download $package"
	}
	release=${package#linux-image-}
	mkdir "$tmp/new"
	dpkg --fsys-tarfile "$tmp"/*.deb | tar -C "$tmp/new" -x --wildcards \
		--exclude='*/kernel/drivers/gpu' --exclude='*/kernel/drivers/media' \
		--exclude='*/kernel/drivers/net/wireless' --exclude='*/kernel/drivers/staging' \
		--exclude='*/kernel/sound' ./boot ./lib
	/sbin/depmod -b "$tmp/new" "$release"
	vm_unpack_kernel "$tmp/new/boot/vmlinuz-$release" "$tmp/new/vmlinux"
	touch "$tmp/new/complete"
	rm -rf "$VM_STORE/kernel-$release"
	mv "$tmp/new" "$VM_STORE/kernel-$release"
	rm -rf "$tmp"
}

# Unpacks the xz-compressed kernel here, where it takes a tenth of a second, not in the guest, where it takes
# several. A kernel packed otherwise is used as it is.
vm_unpack_kernel()
{
	python3 - "$1" "$2" <<-'EOF'
	import lzma, shutil, struct, sys
	image = open(sys.argv[1], "rb").read()
	start = (image[0x1f1] or 4) * 512 + 512
	offset, length = struct.unpack_from("<II", image, 0x248)
	payload = image[start + offset:start + offset + length]
	if payload[:6] == b"\xfd7zXZ\0":
	    open(sys.argv[2], "wb").write(lzma.LZMADecompressor().decompress(payload))
	else:
	    shutil.copy(sys.argv[1], sys.argv[2])
	EOF
}

# vm_image RUN: makes RUN/initramfs.
vm_image()
{
	local root=$1/initramfs.d module path
	mkdir -p "$root/bin" "$root/dev" "$root/modules"
	cp /bin/busybox "$root/bin/"
	install -m 755 "$TREE/tests/vm/init" "$root/init"
	printf 'TREE=%q\nMODULES=%q\n' "$TREE" "$VM_KERNEL/lib/modules/$VM_RELEASE" >"$root/config"
	/sbin/modprobe -d "$VM_KERNEL" -S "$VM_RELEASE" -a --show-depends "${VM_BOOT_MODULES[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
		while read -r path; do
			module=${path##*/}
			module=${module%.xz}
			if [[ $path == *.xz ]]; then
				xz -dc "$path" >"$root/modules/$module"
			else
				cp "$path" "$root/modules/$module"
			fi
			echo "/modules/$module"
		done >"$root/modules/order"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$1/initramfs"
	rm -rf "$root"
}

# Prints QEMU's -accel value. KVM is used only when a guest has been seen to start under it, because a machine
# may have /dev/kvm on which guests hang; the answer is kept until this machine boots again.
vm_accel()
{
	local answer=$VM_CACHE/accel boot
	[[ ! $VM_COUNTED ]] || { echo tcg,thread=single; return; }
	boot=$(cat /proc/sys/kernel/random/boot_id)
	if [[ -w /dev/kvm ]]; then
		if ! grep -qs "^$boot " "$answer"; then
			echo "$boot $(vm_probe_kvm)" >"$answer.$$"
			mv "$answer.$$" "$answer"
		fi
		[[ $(cut -d' ' -f2 "$answer") == works ]] && { echo kvm; return; }
	fi
	echo tcg,thread=multi
}

vm_probe_kvm()
{
	local log qemu answer=hangs
	log=$(mktemp)
	timeout -k 1 8 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -accel kvm \
		-cpu host -m 512M -kernel "$VM_KERNEL/vmlinux" -append "console=ttyS0 panic=-1" \
		-serial "file:$log" >/dev/null 2>&1 &
	qemu=$!
	while kill -0 "$qemu" 2>/dev/null; do
		# It panics for want of a root file system, which only a kernel that came all the way up does.
		grep -q 'Kernel panic' "$log" && { answer=works; kill "$qemu"; break; }
		sleep 0.1
	done
	wait "$qemu" 2>/dev/null || true
	grep -q 'Kernel panic' "$log" && answer=works
	rm -f "$log"
	echo "$answer"
}

# vm_write_cmd FILE CMD...: the script that runs CMD in the guest.
vm_write_cmd()
{
	local file=$1 name
	shift
	{
		printf 'cd %q || exit 125\n' "$PWD"
		printf 'export HOME=/root TERM=%q LANG=C.UTF-8\n' "${TERM:-dumb}"
		while read -r name; do
			printf 'export %s=%q\n' "$name" "${!name}"
		done < <(compgen -e | grep -E '^(WRASSE_|[A-Z]+SAN_OPTIONS$|CMOCKA_)')
		echo 'export WRASSE_VM=1 WRASSE_RESULTS=/run/wrasse/results'
		if (($#)); then
			printf 'exec'
			printf ' %q' "$@"
			echo
		else
			printf 'stty rows %d cols %d\n' "$(tput lines)" "$(tput cols)"
			echo 'exec bash -i'
		fi
	} >"$file"
}

# vm_qemu RUN ACCEL: fills VM_QEMU with the command line, but for the ports that carry the command's output.
vm_qemu()
{
	local run=$1 accel=$2 cpu=max cpus=$VM_CPUS
	[[ $accel == kvm ]] && cpu=host
	[[ $VM_COUNTED ]] && cpus=1
	VM_QEMU=(
		qemu-system-x86_64 -name wrasse -nodefaults -no-user-config -display none -no-reboot
		-accel "$accel" -cpu "$cpu" -smp "$cpus" -m "$VM_MEMORY"
		-kernel "$VM_KERNEL/vmlinux" -initrd "$run/initramfs"
		-append "console=ttyS0 loglevel=6 tsc=reliable no_timer_check panic=-1 unknown_nmi_panic panic_print=0x41 mitigations=off random.trust_cpu=on rdinit=/init"
		-serial "file:$run/console"
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device "virtio-9p-pci,fsdev=root,mount_tag=root"
		-fsdev "local,id=ctl,path=$run/ctl,security_model=none"
		-device "virtio-9p-pci,fsdev=ctl,mount_tag=ctl"
		-fsdev "local,id=results,path=$3,security_model=none"
		-device "virtio-9p-pci,fsdev=results,mount_tag=results"
		# Without ioeventfd a write is done before the guest goes on, so nothing is lost when it ends.
		-device "virtio-serial-pci,ioeventfd=off"
	)
	[[ ! $VM_COUNTED ]] || VM_QEMU+=(-icount shift=0)
}

# vm_in_guest SERIES TIME RESULTS CONSOLE CMD...
vm_in_guest()
{
	local series=$1 limit=$2 results=$3 console=$4 accel attempt began=$SECONDS
	shift 4
	vm_kernel "$series"
	accel=$(vm_accel)
	VM_RUN=$(mktemp -d "${TMPDIR:-/tmp}/wrasse-vm.XXXXXX")
	trap 'vm_cleanup' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir "$VM_RUN/ctl"
	vm_write_cmd "$VM_RUN/ctl/cmd" "$@"
	vm_image "$VM_RUN"

	# A guest that ended before it began with CMD may be tried again: nothing has been done yet.
	for attempt in 1 2; do
		: >"$VM_RUN/console"
		vm_qemu "$VM_RUN" "$accel" "$results"
		if (($#)); then
			vm_run_cmd "$limit"
		else
			vm_run_shell "$limit"
		fi
		mkdir -p "$(dirname "$console")"
		tr -d '\r' <"$VM_RUN/console" >"$VM_RUN/console.txt"
		mv "$VM_RUN/console.txt" "$console"
		[[ ! -s $VM_RUN/qemu ]] || grep -v 'terminating on signal' "$VM_RUN/qemu" >&2 || true
		((attempt == 1)) || break
		vm_never_began "$console" || break
		say "the guest ended before it could begin; its last words, and another attempt:"
		tail -n 3 "$console" >&2
	done
	vm_verdict "$limit" "$((SECONDS - began))" "$console"
}

# vm_never_began CONSOLE: QEMU ended by itself, and the guest had not come up.
vm_never_began()
{
	[[ ! -e $VM_RUN/late && ! -s $VM_RUN/ctl/status ]] && ! grep -q '^wrasse-guest: up' "$1"
}

# vm_run_cmd TIME: runs QEMU with the command's output on this script's.
vm_run_cmd()
{
	local run=$VM_RUN out err until
	rm -f "$run/out" "$run/err" "$run"/mon.*
	mkfifo "$run/out" "$run/err" "$run/mon.in" "$run/mon.out"
	cat "$run/out" & out=$!
	cat "$run/err" >&2 & err=$!
	VM_QEMU+=(-chardev "file,id=out,path=$run/out" -device "virtserialport,chardev=out,name=out"
		-chardev "file,id=err,path=$run/err" -device "virtserialport,chardev=err,name=err"
		-chardev "pipe,id=mon,path=$run/mon" -mon "chardev=mon,mode=readline")
	"${VM_QEMU[@]}" </dev/null 2>"$run/qemu" & VM_PID=$!
	VM_QEMU_STATUS=0
	timeout "$1" tail -f /dev/null --pid="$VM_PID" -s 0.2 & until=$!
	wait "$until" || vm_late "$run"
	wait "$VM_PID" || VM_QEMU_STATUS=$?
	VM_PID=
	# QEMU that never opened the pipes leaves the readers waiting.
	: 3<>"$run/out" 4<>"$run/err"
	wait "$out" "$err" || true
}

# vm_late RUN: the guest's time is over. An NMI has its kernel tell what each CPU and each task is at, and end.
vm_late()
{
	touch "$1/late"
	timeout 1 bash -c 'echo nmi >"$1"' - "$1/mon.in" || true
	timeout 60 tail -f /dev/null --pid="$VM_PID" -s 0.2 && return
	kill "$VM_PID" 2>/dev/null
	timeout 5 tail -f /dev/null --pid="$VM_PID" -s 0.2 || kill -KILL "$VM_PID"
}

# vm_late_words CONSOLE: what the kernel told then of the CPUs, and of tasks that nothing can wake.
vm_late_words()
{
	awk '/Kernel panic - not syncing: NMI/ { told = 1 }
	     /^\[[^]]*\] task:/ { told = 2; stuck = / state:D / }
	     (told == 1 || stuck) && !/\]  \? |\] (R[A-DS][XIP]|R[01][0-9]|FS|CS|CR2|PKRU|Code|Call Trace|Hardware name):( |$)/' "$1" | head -n 120
}

# vm_run_shell TIME: runs QEMU with a shell on this terminal.
vm_run_shell()
{
	touch "$VM_RUN/ctl/interactive"
	VM_QEMU+=(-chardev "stdio,id=tty,signal=off" -device "virtconsole,chardev=tty")
	VM_QEMU_STATUS=0
	timeout --foreground -k 5 "$1" "${VM_QEMU[@]}" 2>"$VM_RUN/qemu" || VM_QEMU_STATUS=$?
	((VM_QEMU_STATUS != 124 && VM_QEMU_STATUS != 137)) || touch "$VM_RUN/late"
}

# vm_verdict LIMIT TOOK CONSOLE: sets VM_STATUS from what QEMU and the guest left behind.
vm_verdict()
{
	local limit=$1 took=$2 console=$3 when=''
	grep -q '^wrasse-guest: up' "$console" || when=', before the guest was up'
	if [[ -s $VM_RUN/ctl/status ]]; then
		VM_STATUS=$(<"$VM_RUN/ctl/status")
	elif [[ -e $VM_RUN/late ]]; then
		echo "./dev vm: the time limit of $limit s ended it$when; what its kernel says of CPUs and stuck tasks:" >&2
		vm_late_words "$console" >&2
		VM_STATUS=124
	else
		echo "./dev vm: the guest ended after $took s without a status (QEMU: $VM_QEMU_STATUS)$when; its console:" >&2
		tail -n 30 "$console" >&2
		VM_STATUS=125
	fi
	if [[ ! -e $VM_RUN/late ]] && grep -qE "$VM_TROUBLE" "$console"; then
		echo "./dev vm: warning: the guest's kernel complained ($console):" >&2
		grep -E "$VM_TROUBLE" "$console" | head -n 5 >&2
	fi
}
VM_TROUBLE='Kernel panic|Oops|BUG:|KASAN|refcount_t:|WARNING: CPU|general protection|blocked for more than|Out of memory'

vm_cleanup()
{
	if [[ ${VM_PID:-} ]]; then
		kill "$VM_PID" 2>/dev/null && wait "$VM_PID" 2>/dev/null
	fi
	[[ ${VM_RUN:-} ]] && rm -rf "$VM_RUN"
}

# vm_on_machine TIME RESULTS CMD...
vm_on_machine()
{
	local limit=$1 results=$2
	shift 2
	# shellcheck source=tests/vm/modules
	. "$TREE/tests/vm/modules"
	load_modules || die "the kernel modules did not load"
	(($#)) || set -- bash -i
	VM_STATUS=0
	WRASSE_RESULTS=$results timeout --foreground -k 5 "$limit" "$@" || VM_STATUS=$?
	((VM_STATUS != 124)) || echo "./dev vm: the time limit of $limit s ended it" >&2
}

cmd_vm()
{
	local limit='' results=$TREE/build/vm-results console=$TREE/build/vm-console.log force='' series=''
	while (($#)); do
		case $1 in
		--time) limit=${2:?--time needs seconds}; shift 2 ;;
		--results) results=$(realpath -m "${2:?--results needs a directory}"); shift 2 ;;
		--console) console=$(realpath -m "${2:?--console needs a file}"); shift 2 ;;
		--kernel) series=${2:?--kernel needs a series such as 6.12}; shift 2 ;;
		--force-vm) force=1; shift ;;
		--counted) force=1; VM_COUNTED=1; shift ;;
		-h | --help) vm_usage; return ;;
		--) shift; break ;;
		-*) vm_usage >&2; die "vm: unknown option $1" ;;
		*) break ;;
		esac
	done
	[[ $limit ]] || { (($#)) && limit=600 || limit=0; }
	mkdir -p "$results"
	if [[ ! $force ]] && vm_native "$series"; then
		vm_on_machine "$limit" "$results" "$@"
	else
		need_deps
		vm_in_guest "$series" "$limit" "$results" "$console" "$@"
	fi
	return "$VM_STATUS"
}
