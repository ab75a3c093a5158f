# RTL co-simulation of the same bench, behind csynth.tcl.
source [file join [file dirname [info script]] project.tcl]
cd [file normalize [file dirname [info script]]]
open_project $project_folder
open_solution solution1
run_step {cosim_design -rtl verilog}
