#!/usr/bin/env bash
# Checks and measures the WebGPU backend on the machine that it runs on, beside PyTorch (CUDA) and tfjs-webgpu where they are found.
#
#   scripts/gpu.sh [OPTION...] [-- BENCH OPTION...]
#
# needs a built project and nothing else. In turn, each going on whether or not the one before succeeded:
#   info      the adapter, its limits and features
#   verify    every kernel against the float64 reference
#   large     --model, forward and step at batch --large, layer by layer, peers beside
#   small     the same at --batches
#   tuned     --model at both, after the algorithms have been timed (--tune); all others leave that aside
#   layers    --layers-model, forward and step, layer by layer, at batch --large
#   layers-1  the same at batch 1
# Everything is written to --out: a .json, .md and .log for each part, steps.log with what became of them, and summary.md.
#
#   --out FOLDER         $OUT, or ./gpu-out
#   --large N            128
#   --batches LIST       1,32
#   --model NAME         alexnet-owt
#   --layers-model NAME  caffe-alexnet
#   --mode LIST          forward,step
#   --peers LIST         of `tandem bench --peer`: all that compute on an adapter by default
#   --parts LIST         only these; the summary is of all that the folder holds
#   --quick              verify --quick
#   --limit SECONDS      of each part (1200): one that takes longer is ended
#   --adapter software   without a GPU, for a trial:
#                        scripts/gpu.sh --adapter software --quick --large 1 --batches 1 --peers tfjs-webgpu -- --rounds 2
# Exit status: 0 when all went well, 1 otherwise.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

out=${OUT:-gpu-out}
large=128
batches=1,32
model=alexnet-owt
layers_model=caffe-alexnet
mode=forward,step
parts=info,verify,large,small,tuned,layers,layers-1
limit=1200
adapter=()
verify=()
peers=(--peers)
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift ;;
    --large) large=$2; shift ;;
    --batches) batches=$2; shift ;;
    --model) model=$2; shift ;;
    --layers-model) layers_model=$2; shift ;;
    --mode) mode=$2; shift ;;
    --peers) peers=(--peer "$2"); shift ;;
    --parts) parts=$2; shift ;;
    --limit) limit=$2; shift ;;
    --adapter) adapter=(--adapter "$2"); shift ;;
    --quick) verify=(--quick) ;;
    --) shift; break ;;
    *) echo "gpu.sh: unknown option '$1' (see its head)" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$out"
failed=0

# part NAME COMMAND…: its output to NAME.log, its figures to NAME.json.
part() {
  local name=$1 start=$SECONDS status=0
  shift
  case ,$parts, in *,"$name",*) ;; *) return ;; esac
  rm -f "$out/$name".{json,md}
  timeout -k 10 "$limit" node "$root/dist/src/cli/main.js" "$@" "${adapter[@]}" --json "$out/$name.json" >"$out/$name.log" 2>&1 || status=$?
  [ $status -eq 0 ] || failed=1
  echo "$name: status $status, $((SECONDS - start)) s" | tee -a "$out/steps.log"
  [ $status -eq 0 ] || tail -n 5 "$out/$name.log"
  # What there is so far, whatever becomes of the rest.
  node "$root/scripts/gpuSummary.mjs" "$out" >"$out/summary.md"
}

bench() {
  local name=$1
  shift
  part "$name" bench --backend webgpu --mode "$mode" --markdown "$out/$name.md" "$@"
}

: >"$out/steps.log"
part info info
part verify verify --backend webgpu "${verify[@]}"
bench large --model "$model" --batch "$large" "${peers[@]}" --no-tune "$@"
bench small --model "$model" --batch "$batches" "${peers[@]}" --no-tune "$@"
bench tuned --model "$model" --batch "$large,$batches" --tune "$@"
bench layers --model "$layers_model" --batch "$large" --no-tune "$@"
bench layers-1 --model "$layers_model" --batch 1 --no-tune "$@"
cat "$out/summary.md"
exit $failed
