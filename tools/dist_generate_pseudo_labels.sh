#!/usr/bin/env bash
# Run generate_pseudo_labels.py in several processes: one for each GPU, or on
# CPUs where there is none. Further checkpoints of an ensemble come right after
# PROCESSES.
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT PROCESSES --out DIR [options of" \
        "generate_pseudo_labels.py]" >&2
    exit 2
fi
config=$1
checkpoint=$2
processes=$3
shift 3

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m mmuda.utils.launch \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" \
    "$root/tools/generate_pseudo_labels.py" "$config" "$checkpoint" "$@" \
    --launcher pytorch
