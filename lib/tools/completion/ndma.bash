# SPDX-License-Identifier: MIT
# bash completes ndma and its verbs. Verbs, options, sources and controls are what the programs say themselves,
# so that nothing here has to follow them.

_ndma_verbs()
{
	{
		ndma --help | sed -n 's/^.* ndma \([a-z][a-z]*\) .*/\1/p'
		compgen -c ndma- | sed 's/^ndma-//'
	} 2>/dev/null | sort -u
}

_ndma_options()
{
	{ echo --help; "$@" --help; } 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u
}

# Names in what a verb says as JSON
_ndma_names()
{
	ndma "$@" --json 2>/dev/null | sed -n 's/^ *"name": "\(.*\)",*$/\1/p'
}

# The first word behind the verb, if it is a source
_ndma_source()
{
	local word
	for word in "$@"; do
		case $word in
		-*) return ;;
		*) echo "$word" && return ;;
		esac
	done
}

_ndma()
{
	local word=$2 before=$3 program=(ndma) at=2 source
	case ${COMP_WORDS[0]##*/} in
	ndma)
		if [ "$COMP_CWORD" = 1 ]; then
			COMPREPLY=($(compgen -W "$(_ndma_verbs) --help --version" -- "$word"))
			return
		fi
		program+=("${COMP_WORDS[1]}")
		;;
	*)
		program=("${COMP_WORDS[0]}")
		at=1
		;;
	esac
	source=$(_ndma_source "${COMP_WORDS[@]:at:COMP_CWORD-at}")
	case $before,${program[*]},$word in
	-o,* | --output,* | *repair,[!-]* | *repair,)
		COMPREPLY=($(compgen -f -- "$word"))
		;;
	--order,*)
		COMPREPLY=($(compgen -W "planar interleaved" -- "$word"))
		;;
	--set,*)
		COMPREPLY=($(compgen -S = -W "$(_ndma_names controls "$source")" -- "$word"))
		compopt -o nospace 2>/dev/null
		;;
	*,-*)
		COMPREPLY=($(compgen -W "$(_ndma_options "${program[@]}")" -- "$word"))
		;;
	*)
		[ -n "$source" ] || COMPREPLY=($(compgen -W "$(_ndma_names list)" -- "$word"))
		;;
	esac
}

complete -F _ndma ndma ndma-record ndma-acquire ndma-repair
