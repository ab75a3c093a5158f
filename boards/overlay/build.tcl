# Builds one overlay: vivado -mode batch -source build.tcl [-tclargs project|synth|bit]
#
# project stops after the block design, synth after synthesis; bit (the default) goes on to the bitstream.
# settings.tcl and ip/ beside this file are generated; everything is written under build/.
# HW_AMC_BOARD_FILES in the environment names a folder of board files that Vivado's own store lacks.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
source [file join $here vivado.tcl]
source [file join $here checks.tcl]
source [file join $here design.tcl]
source [file join $here results.tcl]

set goal [expr {$argc > 0 ? [lindex $argv 0] : "bit"}]
if {$goal ni {project synth bit}} {
    error "unknown goal '$goal': project, synth or bit"
}

proc build {here goal} {
    upvar #0 settings settings
    set build [file join $here build]
    amc::require_version
    amc::require_part $settings(part)
    file mkdir $build
    create_project -force overlay [file join $build vivado] -part $settings(part)
    amc::use_board_files
    amc::use_board_part
    set_property target_language Verilog [current_project]
    amc::add_ip [file join $here ip]
    amc::create_design $settings(design)
    set wrapper [make_wrapper -files [get_files $settings(design).bd] -top]
    add_files -norecurse [list $wrapper]
    set_property top $settings(design)_wrapper [current_fileset]
    update_compile_order -fileset sources_1
    generate_target all [get_files $settings(design).bd]

    if {$goal ne "project"} {
        launch_runs synth_1 -jobs $settings(jobs)
        amc::wait_for synth_1
    }
    if {$goal eq "bit"} {
        set_property STEPS.PHYS_OPT_DESIGN.IS_ENABLED true [get_runs impl_1]
        launch_runs impl_1 -to_step write_bitstream -jobs $settings(jobs)
        amc::wait_for impl_1
        amc::write_reports impl_1 $build
        amc::collect $build
        # Last, so that reports and files of a failing design can be looked at; the exit status still says so.
        amc::require_timing impl_1
    }
    puts "overlay $settings(name): $goal done, [get_msg_config -severity {CRITICAL WARNING} -count] critical warnings"
}

# The reason comes last, after Vivado's trace of it: a log's end is what people, and `hw-amc overlay`, look at.
if {[catch {build $here $goal} message options]} {
    puts stderr [dict get $options -errorinfo]
    puts stderr "ERROR: $message"
    exit 1
}
