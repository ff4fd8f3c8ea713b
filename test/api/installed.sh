#!/usr/bin/env bash
# Installs the build into a scratch folder, moves that (it must be relocatable), builds the examples against it with CMake
# and with pkg-config, runs them, and looks for what public headers must not include.
# usage: installed.sh SOURCE BUILD MAKE_MODELS
set -euo pipefail
source=$1 build=$2 make_models=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "installed: $1" >&2; exit 1; }

for component in library development; do
  cmake --install "$build" --prefix "$scratch/first" --component "$component" >/dev/null
done
mv "$scratch/first" "$scratch/moved"
prefix=$scratch/moved
libdir=$(dirname "$(find "$prefix" -name libhone.so)")

# Public headers: themselves and the standard library only.
[ -n "$(find "$prefix/include/hone" -name version.hpp)" ] || fail "version.hpp is not installed"
foreign=$(grep -rnE '^ *#include' "$prefix/include" | grep -vE '#include <(hone/[a-z_]+\.hpp|[a-z_]+)>' || true)
[ -z "$foreign" ] || fail "a public header includes something else: $foreign"
internal=$(nm -DC --defined-only "$libdir/libhone.so" | grep -v ' hone::v0::\| for hone::v0::' || true)
[ -z "$internal" ] || fail "libhone.so exports more than the public names: $internal"

mkdir "$scratch/models"
"$make_models" "$scratch/models"
# 40x30 pixels of red, and of blue.
n=0
for color in '\xd0\x10\x10' '\x10\x10\xd0'; do
  # shellcheck disable=SC2059
  { printf 'P6\n# a test\n40 30\n255\n'; for _ in $(seq 1200); do printf "$color"; done; } >"$scratch/image$((n += 1)).ppm"
done

run() {  # the folder with the programs
  "$1/classify" "$scratch/models/image.onnx" "$scratch/image1.ppm" "$scratch/image2.ppm" >"$scratch/out"
  grep -q 'image1.ppm: red' "$scratch/out" || fail "image1 is not red: $(cat "$scratch/out")"
  grep -q 'image2.ppm: blue' "$scratch/out" || fail "image2 is not blue: $(cat "$scratch/out")"
  ! "$1/classify" "$scratch/models/none.onnx" "$scratch/image1.ppm" 2>"$scratch/err" || fail "a missing model is no error"
  grep -q 'none.onnx.*check the path' "$scratch/err" || fail "the error does not help: $(cat "$scratch/err")"
  "$1/throughput" "$scratch/models/plain.onnx" 0.05 2 | grep -q '^one session [1-9]' || fail "throughput measured nothing"
}

for example in classify throughput; do
  cmake -S "$source/examples/$example" -B "$scratch/build/$example" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" ||
    { cat "$scratch/log" >&2; fail "configuring $example"; }
  cmake --build "$scratch/build/$example" >"$scratch/log" || { cat "$scratch/log" >&2; fail "building $example"; }
  mkdir -p "$scratch/cmake"
  mv "$scratch/build/$example/$example" "$scratch/cmake"
done
run "$scratch/cmake"

command -v pkg-config >/dev/null || { echo "installed: pkg-config is missing, its half is skipped"; exit 0; }
export PKG_CONFIG_PATH=$libdir/pkgconfig
mkdir "$scratch/pkg"
for example in classify throughput; do
  # shellcheck disable=SC2046
  c++ -std=c++20 "$source/examples/$example/$example.cpp" -o "$scratch/pkg/$example" $(pkg-config --cflags --libs hone) \
    -Wl,-rpath,"$libdir"
done
run "$scratch/pkg"
