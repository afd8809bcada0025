#!/bin/sh
# The main job on the demo data: sh data/demo.sh "$PWD/data/demo.h5ad"
. "$(dirname "$0")/steps.sh"
run cellam fit "$data"
run cellam simulate --from day2
run cellam eval --holdout day4
# The figure of the README, for `make fix` and `make check`
[ -z "${FIGURE:-}" ] || cellam plot trajectories -o "$FIGURE" >/dev/null
