# Vivado HLS (to 2020.1): vivado_hls -f <step>.tcl
set cflags "-std=c++0x"
proc tool_settings {} {
    set_part {@PART@}
    create_clock -period @CLOCK_NS@ -name default
    set_clock_uncertainty 12.5% default
    config_compile -name_max_length 80
    config_array_partition -maximum_size 8192
    config_schedule -enable_dsp_full_reg=false
}
