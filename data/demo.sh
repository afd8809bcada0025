#!/bin/sh
# The main job on the demo data: sh data/demo.sh "$PWD/data/demo.h5ad"
. "$(dirname "$0")/steps.sh"
run cellam fit "$data"
run cellam simulate --from day2
run cellam eval --holdout day4
