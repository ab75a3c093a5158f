# Vitis HLS: vitis_hls -f <step>.tcl, or vitis-run --mode hls --tcl <step>.tcl
set cflags "-std=c++14"
proc tool_settings {} {
    set_part {@PART@}
    create_clock -period @CLOCK_NS@ -name default
    set_clock_uncertainty 27% default
    config_compile -name_max_length 80
}
