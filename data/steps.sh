# Sourced by the examples, with the file of data as $1: a folder of their own that is gone
# afterwards, where every command is shown before it runs.
set -eu
data=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
run() {
    printf '\n$ %s\n' "$*" | sed "s|$data|${data##*/}|"
    "$@"
}
