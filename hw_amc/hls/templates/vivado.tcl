# Vivado HLS (to 2020.1): vivado_hls -f <step>.tcl
# The first two lines tell hls4ml's report where to look.
set project_name "@TOP@"
set backend "vivado"
set project_folder ${project_name}_prj
set cflags "-std=c++0x"
proc tool_settings {} {
    set_part {@PART@}
    create_clock -period @CLOCK_NS@ -name default
    set_clock_uncertainty @UNCERTAINTY@% default
    config_compile -name_max_length 80
    config_array_partition -maximum_size 8192
    config_schedule -enable_dsp_full_reg=false
}
# Whatever the tool does on an error in a script: a failed step ends it with exit code 1.
proc run_step {command} {
    if {[catch {uplevel #0 $command} message]} {
        puts "ERROR: $command: $message"
        exit 1
    }
    exit 0
}
