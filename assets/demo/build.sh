#!/usr/bin/env bash
# Rebuilds the demo's text, dictionaries, indexes and figures from the books.
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
rm -rf "$demo/text" && cp -r "$work/books/demo" "$demo/text"

# name, hook, features, k, activations
dictionaries=(
  "attn-0 blocks.0.attn.hook_z 512 24 1000000"
  "attn-1 blocks.1.attn.hook_z 1024 32 1200000"
  "attn-2 blocks.2.attn.hook_z 1024 32 1200000"
  "attn-3 blocks.3.attn.hook_z 1024 32 2000000"
  "resid-2 blocks.2.hook_resid_post 2048 32 2000000"
)
for dictionary in "${dictionaries[@]}"; do
  read -r name hook features k activations <<< "$dictionary"
  "$umbra" train --model "$model" --corpus "$work/books/train" --no-split --hook "$hook" --features "$features" --k "$k" \
    --tokens "$activations" --seed 0 --precision f16 --out "$demo/saes/$name"
  "$umbra" index build --model "$model" --sae "$demo/saes/$name" --corpus "$demo/text/held-out" --out "$demo/indexes/$name.sqlite"
done
for dictionary in "${dictionaries[@]}"; do
  read -r name _ <<< "$dictionary"
  "$umbra" eval --model "$model" --sae "$demo/saes/$name" --corpus "$demo/text/held-out" --project "$demo"
done
