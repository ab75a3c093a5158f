#!/bin/sh
# C simulation of the self-checking bench by g++, every layer that tb_data holds included; fails on any difference.
set -e
cd "$(dirname "$0")"
g++ -O1 -std=c++14 -w -fwrapv -DHW_AMC_TRACE_LAYERS -Ifirmware/ap_types -o bench \
    hw_amc_test.cpp firmware/hw_amc_core.cpp firmware/@NETWORK@.cpp
./bench
