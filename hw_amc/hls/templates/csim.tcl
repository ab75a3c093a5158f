# C simulation of the self-checking bench, every layer that tb_data holds included; fails on any difference.
source [file join [file dirname [info script]] project.tcl]
cd [file normalize [file dirname [info script]]]
open_project -reset ${project_name}_csim_prj
set_top $project_name
add_files firmware/hw_amc_core.cpp -cflags "$cflags"
add_files firmware/@NETWORK@.cpp -cflags "$cflags"
add_files -tb hw_amc_test.cpp -cflags "$cflags -DHW_AMC_TRACE_LAYERS"
add_files -tb tb_data
open_solution -reset solution1
tool_settings
run_step {csim_design}
