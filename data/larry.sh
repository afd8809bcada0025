#!/bin/sh
# From counts to fates, held against barcodes: sh data/larry.sh larry_clones_781.h5ad (an absolute path)
. "$(dirname "$0")/steps.sh"
run cellam fit "$data"
run cellam fates --from 4 --terminal 6:state_info
run cellam validate --clones clone_id --terminal 6:state_info
run cellam drivers --of fate:Neutrophil -n 5
run cellam export --into larry.h5ad --groupby state_info
