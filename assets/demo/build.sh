#!/usr/bin/env bash
# Rebuilds the demo's text, dictionaries, indexes, probes, figures, survey of heads and studies of the error from the books.
#
# usage: build.sh BOOKS [WORK]
# BOOKS holds chilit/, fairy-tales/ and oz/. WORK (default: a temporary folder) keeps what is not part of the demo.
set -euo pipefail
demo=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$demo/../.." && pwd)
books=$(cd "$1" && pwd)
work=${2:-$(mktemp -d)}
umbra="${CARGO_TARGET_DIR:-$root/target}/release/umbra-cli"
model="$demo/model"

(cd "$root" && cargo build --release -p umbra-core --features cli)
python3 "$demo/prepare.py" "$books" "$work/books"
ln -sfn held-out "$work/books/six held-out books" # the figures name their text by its folder: these are more books than the demo ships
rm -rf "$demo/text" && cp -r "$work/books/demo" "$demo/text"

# name, hook, features, k, activations
dictionaries=(
  "resid-2 blocks.2.hook_resid_post 2048 32 8000000"
  "attn-0 blocks.0.attn.hook_z 256 24 5000000"
  "attn-1 blocks.1.attn.hook_z 1024 32 5000000"
  "attn-2 blocks.2.attn.hook_z 1024 32 5000000"
  "attn-3 blocks.3.attn.hook_z 1024 32 5000000"
)
for dictionary in "${dictionaries[@]}"; do
  read -r name hook features k activations <<< "$dictionary"
  sae="$demo/saes/$name"
  "$umbra" train --model "$model" --corpus "$work/books/train" --no-split --hook "$hook" --features "$features" --k "$k" \
    --tokens "$activations" --seed 0 --precision f16 --out "$sae" --overwrite
  more=--dfa # where examples of attention come from
  if [[ $name == resid-2 ]]; then more=--effects; fi
  "$umbra" index build --model "$model" --sae "$sae" --corpus "$demo/text/held-out" "$more" --no-counts --out "$demo/indexes/$name.sqlite" --overwrite
  "$umbra" index facts "$demo/indexes/$name.sqlite" --model "$model" --sae "$sae" --corpus "$demo/text/held-out"
  rm -f "$demo/kept/$name.probe.safetensors" # a probe of the dictionary before is refused
  "$umbra" dark-matter fit --model "$model" --sae "$sae" --corpus "$demo/text/train" --held-out "$demo/text/held-out" --tokens 100000 \
    --keep "$demo/kept/$name.probe.safetensors"
  "$umbra" eval --model "$model" --sae "$sae" --corpus "$work/books/six held-out books" --project "$demo"
done

# Four widths of one hook with equal settings, measured on the same tokens: whether more width helps.
widths=(256 512 1024 2048)
"$umbra" ladder train --model "$model" --corpus "$work/books/train" --no-split --hook blocks.2.hook_resid_post --widths 256,512,1024,2048 --k 32 \
  --tokens 2000000 --seed 0 --precision f16 --out "$work/ladder" --overwrite
rungs=()
for width in "${widths[@]}"; do
  sae="$demo/saes/ladder-$width"
  mkdir -p "$sae"
  cp "$work/ladder/$width/cfg.json" "$work/ladder/$width/sae_weights.safetensors" "$sae"
  "$umbra" eval --model "$model" --sae "$sae" --corpus "$work/books/six held-out books" --project "$demo"
  rungs+=(--sae "$sae")
done
"$umbra" dark-matter ladder --model "$model" "${rungs[@]}" --corpus "$demo/text/held-out" --tokens 60000 --fit "$demo/text/train" --project "$demo"

# Where the error is, what its parts cost, how far dictionaries predict each other's errors, whether the split finds planted errors, and what a better choice of
# features would win. The study of one dictionary is that of resid-2 alone: with its contexts it is the largest.
measured=(--corpus "$demo/text/train" --held-out "$demo/text/held-out" --project "$demo")
resid=(--model "$model" --sae "$demo/saes/resid-2")
"$umbra" dark-matter where "${resid[@]}" "${measured[@]}" --tokens 60000
"$umbra" dark-matter depth --model "$model" "${measured[@]}"
"$umbra" dark-matter splice --model "$model" "${measured[@]}" --tokens 60000 --measured 20000
"$umbra" dark-matter predict "${resid[@]}" "${measured[@]}" --tokens 60000 --measured 20000
"$umbra" dark-matter self-test "${resid[@]}" "${measured[@]}" || true # its verdict is kept, whatever it is
"$umbra" dark-matter pursue "${resid[@]}" --corpus "$demo/text/held-out" --tokens 10000 --project "$demo"

"$umbra" heads survey --model "$model" --corpus "$demo/text/held-out" --causal --project "$demo"
