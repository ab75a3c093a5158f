# C synthesis.
source [file join [file dirname [info script]] project.tcl]
set here [file normalize [file dirname [info script]]]
cd $here
open_project -reset hw_amc_prj
set_top hw_amc_core
add_files firmware/hw_amc_core.cpp -cflags "$cflags -I$here -I$here/firmware"
add_files firmware/@NETWORK@.cpp -cflags "$cflags -I$here/firmware"
add_files -tb hw_amc_test.cpp -cflags "$cflags -I$here -DTB_DATA=\\\"$here/tb_data\\\""
open_solution -reset solution1
tool_settings
run_step {csynth_design}
