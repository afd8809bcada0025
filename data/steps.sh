# Sourced by the examples, with the file of data as $1: every command is shown before it runs, in the
# new folder $2, or in one that is gone afterwards.
set -eu
data=$1
if [ $# -gt 1 ]; then
    folder=$2
    mkdir "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
cd "$folder"
run() {
    printf '\n$ %s\n' "$*" | sed "s|$data|${data##*/}|"
    "$@"
}
