#!/bin/sh
# The main job on the demo data, in a folder of its own: sh data/demo.sh data/demo.h5ad
set -eu
data=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
run() {
    printf '\n$ %s\n' "$*" | sed "s|$data|demo.h5ad|"
    "$@"
}
run cellam fit "$data"
run cellam simulate --from day2
run cellam eval --holdout day4
