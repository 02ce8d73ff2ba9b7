_attune() {
  local line=${COMP_LINE:0:COMP_POINT} words token current prefix value base kind
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  token=${words[${#words[@]} - 1]}
  # Readline replaces only what follows the last of its word breaks (= and :).
  current=${COMP_WORDS[COMP_CWORD]}
  [[ $current == [=:@] ]] && current=
  prefix=${token%"$current"}
  COMPREPLY=()
  while IFS=$'\t' read -r value _; do
    case $value in
      :files | :dirs)
        base=${token##*=@}
        kind=-f
        [[ $value == :dirs ]] && kind=-d
        compopt -o filenames 2>/dev/null
        while read -r value; do
          value=${token%"$base"}$value
          COMPREPLY+=("${value#"$prefix"}")
        done < <(compgen "$kind" -- "$base") ;;
      "$token"*) COMPREPLY+=("${value#"$prefix"}") ;;
    esac
  done < <(_attune_complete "${words[@]:1}")
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _attune attune
