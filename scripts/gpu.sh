#!/usr/bin/env bash
# Checks and measures the WebGPU backend on the machine that it runs on, beside PyTorch (CUDA) and tfjs-webgpu where they are found.
#
#   scripts/gpu.sh [--out FOLDER] [--large N] [--model NAME] [--layers-model NAME] [--tune] [--adapter software] [-- BENCH OPTION...]
#
# needs a built project and nothing else. In turn, each going on whether or not the one before succeeded:
#   info, verify; forward and step at batch 1, 32 and --large (128) of --model (alexnet-owt), peers beside; forward and step, layer by
#   layer, at batch --large and 1 of --layers-model (caffe-alexnet).
# Everything is written to --out (by default $OUT, or ./gpu-out): a .json, .md and .log for each, and summary.md. To try it without a
# GPU: `scripts/gpu.sh --adapter software --model mnist-tf --layers-model mnist-tf --batches 1 --large 2 --quick -- --rounds 2`.
#   --batches LIST   the batches other than the large one (1,32)
#   --quick          verify --quick
# Exit status: 0 when all went well, 1 otherwise.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

out=${OUT:-gpu-out}
large=128
batches=1,32
model=alexnet-owt
layers_model=caffe-alexnet
adapter=()
verify=()
tune=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift ;;
    --large) large=$2; shift ;;
    --batches) batches=$2; shift ;;
    --model) model=$2; shift ;;
    --layers-model) layers_model=$2; shift ;;
    --adapter) adapter=(--adapter "$2"); shift ;;
    --quick) verify=(--quick) ;;
    --tune) tune=(--tune) ;;
    --) shift; break ;;
    *) echo "gpu.sh: unknown option '$1' (see its head)" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$out"
failed=0

# step NAME COMMAND…: its output to NAME.log, its figures to NAME.json.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  node "$root/dist/src/cli/main.js" "$@" "${adapter[@]}" --json "$out/$name.json" >"$out/$name.log" 2>&1 || status=$?
  [ $status -eq 0 ] || failed=1
  echo "$name: status $status, $((SECONDS - start)) s" | tee -a "$out/steps.log"
  [ $status -eq 0 ] || tail -n 5 "$out/$name.log"
}

bench() {
  local name=$1
  shift
  step "$name" bench --backend webgpu --markdown "$out/$name.md" "${tune[@]}" "$@"
}

: >"$out/steps.log"
step info info
step verify verify --backend webgpu "${verify[@]}"
bench large --model "$model" --batch "$large" --mode forward,step --peers --no-layers "$@"
bench small --model "$model" --batch "$batches" --mode forward,step --peers --no-layers "$@"
bench layers --model "$layers_model" --batch "$large" --mode forward,step "$@"
bench layers-1 --model "$layers_model" --batch 1 --mode forward,step "$@"
node "$root/scripts/gpuSummary.mjs" "$out" | tee "$out/summary.md"
exit $failed
