#!/usr/bin/env bash
# Measures everything that docs/performance.md quotes, into docs/measured: about fifteen minutes on two cores, which should have
# nothing else to do. Options are handed on to each run.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p docs/measured

bench() {
  local name=$1
  shift
  node dist/src/cli/main.js bench --markdown "docs/measured/$name.md" "$@"
}

bench peers --batch 1,16 --peers --threads 1,2 --simd auto,plain --linear-weights int16 --mode forward,step --memory --no-layers "$@"
bench layers --batch 1,16 --mode forward,step "$@"
bench direct --batch 16 --mode forward,step --algorithm conv2d=im2col --algorithm conv2dDataGradient=im2col \
  --algorithm conv2dWeightGradient=im2col "$@"
bench cifar10-quick --model cifar10-quick --batch 100 --peers --mode step "$@"
