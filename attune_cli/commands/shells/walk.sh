_attune_query() {
  ATTUNE_HOME="${_attune_home:-$ATTUNE_HOME}" ATTUNE_PROJECT="${_attune_project:-$ATTUNE_PROJECT}" \
    "$_attune_python" -I -S "$_attune_script" "$@" 2>/dev/null
}

# Print lines as they are, but for `:KIND` ask the database, and leave :files and :dirs to the shell.
_attune_values() {
  while read -r line; do
    case $line in
      '' | :nothing) ;;
      :files | :dirs) printf '%s\n' "$line" ;;
      :parameter)
        case $2 in
          *=@*) printf ':files\n' ;;
          *) _attune_query parameter "$2" "$3" ;;
        esac ;;
      :*) _attune_query "${line#:}" "$2" "$3" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <<VALUES
$1
VALUES
}

_attune_has_word() {
  case "
$(_attune_words "$1")" in
    *"
$2	"*) return 0 ;;
  esac
  return 1
}

# The words before the cursor, then the word at the cursor; prints `value<TAB>description` lines.
# (No variable may be called path: zsh ties that name to PATH.)
_attune_complete() {
  _attune_home='' _attune_project=''
  place='' ref='' takes='' flag=''
  while [ $# -gt 1 ]; do
    if [ -n "$takes" ]; then
      case $flag in
        --home) _attune_home=$1 ;;
        -C | --directory) _attune_project=$1 ;;
      esac
      takes=''
    else
      case $1 in
        --home=*) _attune_home=${1#*=} ;;
        --directory=*) _attune_project=${1#*=} ;;
        -*) flag=$1 takes=$(_attune_takes "$place" "$1") ;;
        *)
          if _attune_has_word "$place" "$1"; then
            place="${place:+$place }$1"
          else
            case "$place:$1" in
              run:*.*) place='run action' ref=$1 ;;
              *) ref=${ref:-$1} ;;
            esac
          fi ;;
      esac
    fi
    shift
  done
  case $1 in
    --*=*) printf '' ;;
    *)
      if [ -n "$takes" ]; then
        _attune_values "$takes" "$1" "$ref"
      else
        case $1 in
          -*) _attune_flags "$place" ;;
          *)
            _attune_words "$place"
            if [ -n "$ref" ]; then
              _attune_values "$(_attune_further "$place")" "$1" "$ref"
            else
              _attune_values "$(_attune_first "$place")" "$1"
            fi ;;
        esac
      fi ;;
  esac
}
