#!/bin/sh
# C synthesis by bambu. It knows the delays of few parts: those of an xc7z020 at speed grade -1 stand for every part's.
# The text is compiled as the schedule needs it: everything inline, loops as they stand, no stores or reads merged.
cd "$(dirname "$0")" || exit 1
solution=$PWD/@TOP@_prj/solution1/syn
rm -rf "$solution"
mkdir -p "$solution/verilog" "$solution/report"
cd "$solution/verilog" || exit 1
if ! bambu ../../../../bambu/core.cpp -I../../../../bambu -I../../../../firmware -D__SYNTHESIS__ \
    --top-fname=@TOP@ --generate-interface=INFER --compiler=I386_CLANG16 --std=c++17 -O2 \
    --device-name=xc7z020-1clg484-VVD --clock-period=@CLOCK_NS@ \
    --extra-gcc-options="-fno-unroll-loops -mllvm -inline-threshold=1000000 -mllvm -sink-common-insts=false \
-mllvm -switch-to-lookup=false -mllvm -enable-load-pre=false" >"$solution/report/@TOP@_csynth.log" 2>&1; then
    grep -v '^ *#[0-9]' "$solution/report/@TOP@_csynth.log" | tail -n 40
    exit 1
fi
rm -rf HLS_output panda-temp
