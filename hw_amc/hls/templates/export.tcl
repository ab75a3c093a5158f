# IP for the Vivado catalogue, with the utilisation that logic synthesis finds; behind csynth.tcl.
source [file join [file dirname [info script]] project.tcl]
cd [file normalize [file dirname [info script]]]
open_project $project_folder
open_solution solution1
run_step {export_design -format ip_catalog -flow syn -rtl verilog -vendor hw_amc -library hls -ipname hw_amc_core}
