
# The functions above print the program's words; those below choose from them. They follow the
# file of tables in one file, share/bash-completion/completions/scry.

# Folders of networks: those of $SCRY_PRIORS and those that came with the program.
_scry_priors() {
    local program folder
    program=$(type -P "${COMP_WORDS[0]}")
    program=$(dirname "$(readlink -f "${program:-/usr/bin/scry}")")
    for folder in "${SCRY_PRIORS:-}" "$program"/../{share/scry/priors,priors/pretrained}; do
        [ -z "$folder" ] || (cd "$folder" 2>/dev/null && ls -- */config.json 2>/dev/null)
    done | sed 's|/config.json$||' | sort -u
}

# _scry_value COMMAND VALUE CURRENT: alternatives with | between them; placeholders are in capitals.
_scry_value() {
    local alternatives part words='' files=''
    IFS='|' read -ra alternatives <<<"$2"
    for part in "${alternatives[@]}"; do
        case $part in
        METHOD*) words+=" $(_scry_methods "$1" | grep . || _scry_methods '')" ;;
        PRIOR*) words+=" $(_scry_priors)" files=yes ;;
        PSF*) words+=" $(_scry_psf_models)" files=yes ;;
        FILE* | FOLDER*) files=yes ;;
        *[A-Z]*) ;; # a number or a name that only the user knows
        *) words+=" $part" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$3")
    if [ -n "$files" ]; then
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$3")
        compopt -o filenames
    fi
}

# The method that the command line names; words are in COMP_WORDS.
_scry_method() {
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in --method | --sampler) ;; *) continue ;; esac
        [ "${COMP_WORDS[++i]}" != = ] || ((++i))
        [ "$i" -ge "$COMP_CWORD" ] || echo "${COMP_WORDS[i]}"
    done
}

_scry() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} method option name first=2
    local -A values=()
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_scry_commands) --help --version" -- "$current")
        return
    fi
    if [ -n "$(_scry_commands "$command")" ]; then
        if [ "$COMP_CWORD" = 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_scry_commands "$command") --help" -- "$current")
            return
        fi
        command+=" ${COMP_WORDS[2]}"
        first=3
    fi
    # bash takes --option=value for three words
    [ "$current" != = ] || current=
    if [ "$previous" = = ] && [ "$COMP_CWORD" -gt "$first" ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    # options of the method that is chosen, or of all that may be, and of the command
    method=$(_scry_method)
    [ -n "$(_scry_method_options "$method")" ] || method=$(_scry_methods "$command")
    for option in $(for method in $method; do _scry_method_options "$method"; done) \
        $(_scry_options "$command"); do
        name=${option%%=*}
        values[$name]+=${values[$name]:+|}${option#*=}
    done
    name=${previous#--}
    if [ "$name" != "$previous" ] && [ -n "${values[$name]:-}" ]; then
        _scry_value "$command" "${values[$name]}" "$current"
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(printf -- '--%s ' "${!values[@]}")" -- "$current")
    else
        option=$(_scry_arguments "$command")
        _scry_value "$command" "${option:-FILE}" "$current"
    fi
}

complete -F _scry scry
