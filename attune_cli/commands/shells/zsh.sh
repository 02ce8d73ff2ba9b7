_attune() {
  local value description found=1
  local -a plain open
  while IFS=$'\t' read -r value description; do
    case $value in
      :files) compset -P '*=@'; _files; return ;;
      :dirs) _files -/; return ;;
      *=) open+=("${value//:/\\:}:$description") ;;
      *) plain+=("${value//:/\\:}:$description") ;;
    esac
  done < <(_attune_complete "${(@)words[2,CURRENT]}")
  (( ${#plain} )) && _describe -V attune plain && found=0
  (( ${#open} )) && _describe -V parameter open -S '' && found=0
  return found
}
if [[ ${funcstack[1]} == _attune ]]; then _attune "$@"; else compdef _attune attune; fi
