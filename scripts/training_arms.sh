#!/usr/bin/env bash
# The arms of docs/results/training.md: what follows the SFT of the small model, trained and evaluated on one GPU.
#
#     scripts/training_arms.sh RUNS sft|seed K|arms|controls ...     e.g. RUNS sft controls seed 0 seed 1 seed 2 arms
#
# Each evaluation leaves RUNS/NAME.json, each training RUNS/ARM-sSEED. PROOFREEL is the command (default: proofreel),
# MODEL the checkpoint that all begin from (default: proofreel-small), CUTOUTS a file of packed cut-outs, JOBS how many
# evaluations run side by side (default: 1). What has its file is not run again.
set -euo pipefail
runs=${1:?give a folder for the runs}
shift
mkdir -p "$runs"
proofreel=${PROOFREEL:-proofreel}
model=${MODEL:-proofreel-small}
cutouts=(${CUTOUTS:+--cutouts "$CUTOUTS"})
items=${ITEMS:-2000}
jobs=${JOBS:-1}

evaluate() { # NAME MODEL SPLIT OPTIONS...
  local name=$1 of=$2 split=$3
  shift 3
  [ -s "$runs/$name.json" ] && return
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  {
    $proofreel evaluate proofworld --engine transformers --model "$of" --level "${LEVEL:-hard}" --split "$split" \
      --items "$items" --clips-at-once 64 "${cutouts[@]}" --out "$runs/$name.jsonl" --json "$@" >"$runs/$name.part"
    mv "$runs/$name.part" "$runs/$name.json"
    echo "$name"
  } &
}

finished() { # what runs side by side; fails where one of it failed
  local job
  for job in $(jobs -p); do wait "$job"; done
}

chains() { # ARM-sSEED: against the SFT that it began from, on two splits
  local split
  for split in iid clutter; do
    evaluate "$1-hard-$split" "$runs/$1/model" "$split" --kind chain --against "$runs/sft-chain-hard-$split.jsonl"
  done
  finished
}

practise() { # ARM SEED
  $proofreel train small-gspo --config "configs/arms/$1.toml" --start "$model" --seed "$2" --out "$runs/$1-s$2" \
    "${cutouts[@]}"
}

while [ $# -gt 0 ]; do
  case $1 in
    sft)
      for split in iid clutter; do evaluate "sft-chain-hard-$split" "$model" "$split" --kind chain; done
      for split in iid pairs objects longer clutter; do evaluate "sft-hard-$split" "$model" "$split"; done
      for split in iid pairs longer clutter; do LEVEL=plain evaluate "sft-plain-$split" "$model" "$split"; done
      finished
      ;;
    controls)
      for control in blind shuffled mask-cited mask-random; do
        evaluate "sft-hard-iid-$control" "$model" iid --control "$control" --against "$runs/sft-hard-iid.jsonl"
      done
      finished
      ;;
    seed) # GSPO, and SFT for as long
      shift
      practise gspo "$1"
      chains "gspo-s$1"
      $proofreel train small --config configs/arms/longer.toml --start "$model" --seed "$1" --out "$runs/longer-s$1" \
        "${cutouts[@]}"
      chains "longer-s$1"
      ;;
    arms)
      for arm in grpo openo3 fixed gateless; do
        practise "$arm" 0
        chains "$arm-s0"
      done
      ;;
    *)
      echo "unknown part $1: sft, controls, seed K or arms" >&2
      exit 2
      ;;
  esac
  shift
done
