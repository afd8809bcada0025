#!/bin/sh
# Two conditions, four mice each: sh data/drug.sh "$PWD/data/drug.h5ad"
. "$(dirname "$0")/steps.sh"
run cellam compare "$data" --condition treatment --reference vehicle
