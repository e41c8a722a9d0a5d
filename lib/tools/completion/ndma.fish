# SPDX-License-Identifier: MIT
# fish completes ndma and its verbs by what the programs say themselves, as bash does.

function __ndma_verbs
    ndma --help 2>/dev/null | string replace -rf '^.* ndma ([a-z]+) .*' '$1'
    complete -C ndma- | string replace -rf '^ndma-([^\t]*).*' '$1'
end

function __ndma_names
    ndma $argv --json 2>/dev/null | string replace -rf '^ *"name": "(.*)",?$' '$1'
end

function __ndma_options
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[1] = ndma; and set words $words[1..2]; or set words $words[1]
    begin; echo --help; $words --help; end 2>/dev/null | string match -rga -- '(--[a-z][a-z-]*)' | sort -u
end

function __ndma_behind_verb
    set -l words (commandline -opc)
    test $words[1] != ndma; or test (count $words) -gt 1
end

# The word behind the verb
function __ndma_source
    set -l words (commandline -opc)
    test $words[1] = ndma; and echo $words[3]; or echo $words[2]
end

function __ndma_behind
    test (commandline -opc)[-1] = $argv[1]
end

complete -c ndma -n 'not __ndma_behind_verb' -f -a '(__ndma_verbs) --help --version'
for program in ndma ndma-record ndma-acquire
    complete -c $program -n '__ndma_behind_verb; and not __fish_seen_subcommand_from (__ndma_names list) repair doctor list' -f -a '(__ndma_names list)'
end
for program in ndma ndma-record ndma-acquire ndma-repair
    complete -c $program -n '__ndma_behind_verb; and string match -q -- "-*" (commandline -ct)' -f -a '(__ndma_options)'
end
for program in ndma ndma-record ndma-acquire
    complete -c $program -n '__ndma_behind --order' -f -a 'planar interleaved'
    complete -c $program -n '__ndma_behind --set' -f -a '(__ndma_names controls (__ndma_source))='
end
