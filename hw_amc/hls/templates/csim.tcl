# C simulation of the self-checking bench, every layer that tb_data holds included; fails on any difference.
source [file join [file dirname [info script]] project.tcl]
set here [file normalize [file dirname [info script]]]
cd $here
open_project -reset hw_amc_csim_prj
set_top hw_amc_core
add_files firmware/hw_amc_core.cpp -cflags "$cflags -I$here -I$here/firmware"
add_files firmware/@NETWORK@.cpp -cflags "$cflags -I$here/firmware"
add_files -tb hw_amc_test.cpp -cflags "$cflags -I$here -DHW_AMC_TRACE_LAYERS -DTB_DATA=\\\"$here/tb_data\\\""
open_solution -reset solution1
tool_settings
run_step {csim_design}
