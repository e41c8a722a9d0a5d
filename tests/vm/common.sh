# SPDX-License-Identifier: MIT
# Sourced by the rig's shell scripts: where things are, and how to enter a guest's tree.

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$vm/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ndma
guests="bookworm trixie sid debug trixie-arm64 trixie-arm64-16k"
# What compilers made, where there is ccache; of use to every checkout.
export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=1G

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# make_folder DIR: see that it is there and may be written to
make_folder()
{
	mkdir -p "$1" 2>/dev/null && [ -w "$1" ] ||
		die "no folder $1 that may be written to: use a checkout and a HOME of your own"
}

say()
{
	echo "[$(basename "$0") $guest] $*" >&2
}

known_guest()
{
	case " $guests " in
	*" $1 "*) ;;
	*) die "unknown guest '$1': expected one of: $guests" ;;
	esac
}

# The debug guest is trixie's userland under a kernel of its own; so is the arm64 one of 16 KiB pages.
suite_of()
{
	case $1 in
	debug) echo trixie ;;
	*-16k) echo "${1%-16k}" ;;
	*) echo "$1" ;;
	esac
}

is_arm64()
{
	[[ $1 = *-arm64* ]]
}

# packages_of FILE [GUEST]: names in FILE that apply to GUEST
packages_of()
{
	awk -v guest="${2:-}" '!/^#/ && NF {
		ok = NF == 1
		for (i = 2; i <= NF; i++)
			ok = ok || $i == guest
		if (ok)
			print $1
	}' "$1"
}

# key WORDS…: short digest of the words and of standard input
key()
{
	{ printf '%s\n' "$@"; cat; } | sha256sum | cut -c 1-12
}

# lock NAME: hold it until this script ends; others wait, saying so
lock()
{
	make_folder "$cache/locks"
	exec 9>"$cache/locks/$1"
	flock -n 9 || { say "waiting for another run that holds '$1'"; flock 9; }
}

# whole DIR FILE…: see that what was made once has not been half removed; files may be patterns
whole()
{
	local dir=$1 file
	shift
	for file; do
		compgen -G "$dir/$file" >/dev/null ||
			die "$dir has lost $file: remove that folder, and it is made anew"
	done
}

# tree_of GUEST: the tree in which it is built for, whole
tree_of()
{
	local tree
	if is_arm64 "$1"; then
		"$vm/arm64/tree" "$1" tools
		return
	fi
	tree=$("$vm/tree" "$1") || return
	whole "$tree" bin/busybox 'boot/vmlinuz-*' usr/bin/gcc usr/bin/meson usr/bin/python3 'usr/lib/modules/*/build'
	echo "$tree"
}

# forget PREFIX CURRENT: mark CURRENT as used today; remove what other keys made of the same
# kind, once nobody has used it for a month, and what was given up half made
forget()
{
	touch "$2"
	find "$cache" -maxdepth 1 -name 'new-*' -mtime +1 -exec rm -rf {} +
	find "$cache" -maxdepth 1 -name "$1-*" -mtime +30 -exec rm -rf {} +
}

# enter ROOT [--bind FROM TO]… -- COMMAND…: run COMMAND with ROOT as its root directory,
# in name spaces of its own, so nothing stays mounted; without root, as a fake one. What compilers
# make there is kept for the next build of any checkout, see "enter".
enter()
{
	local root=$1 fake=()
	shift
	[ "$(id -u)" = 0 ] || fake=(--user --map-root-user)
	make_folder "$cache/ccache"
	unshare "${fake[@]}" --mount --pid --fork --kill-child \
		bash "$vm/enter" "$root" --bind "$cache/ccache" /ccache "$@" 9>&-
}
