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

# name, hook, features, k, learning rate
dictionaries=(
  "attn-0 blocks.0.attn.hook_z 512 24"
  "attn-1 blocks.1.attn.hook_z 1024 32"
  "attn-2 blocks.2.attn.hook_z 1024 32"
  "attn-3 blocks.3.attn.hook_z 1024 32"
  "resid-2 blocks.2.hook_resid_post 2048 32"
)
for dictionary in "${dictionaries[@]}"; do
  read -r name hook features k <<< "$dictionary"
  "$umbra" train --model "$model" --corpus "$work/books/train" --no-split --hook "$hook" --features "$features" --k "$k" \
    --tokens 5000000 --seed 0 --precision f16 --out "$demo/saes/$name"
  "$umbra" eval --model "$model" --sae "$demo/saes/$name" --corpus "$work/books/held-out" --json > "$work/$name.json"
  "$umbra" index build --model "$model" --sae "$demo/saes/$name" --corpus "$work/books/held-out" --out "$demo/indexes/$name.sqlite"
done
