#!/usr/bin/env bash
# Rebuilds the demo's text, dictionaries, indexes, probes, figures and survey of heads from the books.
#
# usage: build.sh BOOKS [WORK]
# BOOKS holds chilit/, fairy-tales/ and oz/. WORK (default: a temporary folder) keeps what is not part of the demo: the prepared books, and a ladder of four widths with its figures.
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
  "$umbra" index build --model "$model" --sae "$sae" --corpus "$demo/text/held-out" --out "$demo/indexes/$name.sqlite"
  rm -f "$demo/kept/$name.probe.safetensors" # a probe of the dictionary before is refused
  "$umbra" dark-matter fit --model "$model" --sae "$sae" --corpus "$demo/text/train" --held-out "$demo/text/held-out" --tokens 100000 \
    --keep "$demo/kept/$name.probe.safetensors"
  "$umbra" eval --model "$model" --sae "$sae" --corpus "$work/books/six held-out books" --project "$demo"
done

# Four widths of one hook with equal settings, measured on the same tokens: whether more width helps. They stay in WORK, where they add nothing to the demo's size.
"$umbra" ladder train --model "$model" --corpus "$work/books/train" --no-split --hook blocks.2.hook_resid_post --widths 256,512,1024,2048 --k 32 \
  --tokens 2000000 --seed 0 --precision f16 --out "$work/ladder" --overwrite
"$umbra" dark-matter ladder --model "$model" --sae "$work/ladder/256" --sae "$work/ladder/512" --sae "$work/ladder/1024" --sae "$work/ladder/2048" \
  --corpus "$demo/text/held-out" --tokens 60000 --fit "$demo/text/train" | tee "$work/ladder/ladder.txt"

# What each part of the errors costs, how far the dictionaries predict each other's errors, and whether the split finds planted ones.
measured=(--corpus "$demo/text/train" --held-out "$demo/text/held-out" --project "$demo")
"$umbra" dark-matter splice --model "$model" "${measured[@]}" --tokens 25600 --measured 10240
for dictionary in "${dictionaries[@]}"; do
  read -r name _ <<< "$dictionary"
  "$umbra" dark-matter predict --model "$model" --sae "$demo/saes/$name" "${measured[@]}" --tokens 25600 --measured 10240
  "$umbra" dark-matter self-test --model "$model" --sae "$demo/saes/$name" "${measured[@]}" || true # its verdict is kept, whatever it is
done

# What a better choice of features would win, and where each feature should have fired: with its contexts the largest study, so of one dictionary alone.
"$umbra" dark-matter pursue --model "$model" --sae "$demo/saes/resid-2" --corpus "$demo/text/held-out" --tokens 10000 --project "$demo"

"$umbra" heads survey --model "$model" --corpus "$demo/text/held-out" --causal --project "$demo"
