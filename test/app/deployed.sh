#!/usr/bin/env bash
# Installs the build into a scratch folder, deploys a model with the installed program, runs the ready-built program of the
# folder, builds its source against the installed package, and compares what both say with `hone run`.
# usage: deployed.sh BUILD MAKE_MODELS
set -euo pipefail
build=$1 make_models=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "deployed: $1" >&2; exit 1; }

for component in library development programs; do
  cmake --install "$build" --prefix "$scratch/hone" --component "$component" >/dev/null
done
mkdir "$scratch/models"
"$make_models" "$scratch/models"
{ printf 'P6\n40 30\n255\n'; for _ in $(seq 1200); do printf '\xd0\x10\x10'; done; } >"$scratch/photo.ppm"
hone=$scratch/hone/bin/hone
"$hone" deploy "$scratch/models/image.onnx" -o "$scratch/app" >/dev/null
"$hone" run "$scratch/models/image.onnx" "$scratch/photo.ppm" >"$scratch/expected"
mv "$scratch/app" "$scratch/moved"  # the folder goes where it likes
"$scratch/moved/hone_app" "$scratch/photo.ppm" >"$scratch/ready"
cmp "$scratch/expected" "$scratch/ready" || fail "the ready-built program says $(cat "$scratch/ready")"

cmake -S "$scratch/moved/src" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/hone" >"$scratch/log" || { cat "$scratch/log" >&2; fail "configuring"; }
cmake --build "$scratch/build" >"$scratch/log" || { cat "$scratch/log" >&2; fail "building"; }
"$scratch/build/hone_app" "$scratch/photo.ppm" >"$scratch/built"
cmp "$scratch/expected" "$scratch/built" || fail "the built program says $(cat "$scratch/built")"
