# Stand-ins for the commands of Vivado HLS and Vitis HLS that hw_amc/hls/templates uses: they keep a project between
# scripts as the tools do, compile and run its bench, leave reports under the names of the release, and refuse what the
# tools would refuse: unknown commands and options, files that do not exist, steps before those that they need.
#
# tclsh hls.tcl script.tcl   with in the environment LOG, TOOL (vivado_hls or vitis_hls), RELEASE, REPORTS (folder with
# the reports of tests/data/hls); optionally PATCHED (AMD's y2k22 patch is installed), FAULT (a step that fails).
#
# Where the behaviour was read:
# - a script that fails ends the tool with "command 'ap_source' returned error code": fastmachinelearning/hls4ml, issue 79;
# - an unknown option: "[HLS 200-101] ...: Unknown option": hls4ml, issue 124; config_array_partition -maximum_size is
#   not supported in Vitis HLS: UG1391 by hls4ml, pull request 86, and "[HLS 200-642]" in logs of 2023.2;
# - data of the bench by add_files -tb FOLDER, found by the folder's own name where the bench runs, the compiler flags:
#   hls4ml, hls4ml/templates/vivado/build_prj.tcl and hls4ml/templates/vitis/build_prj.tcl; Vivado HLS compiles with a
#   g++ of 2011, which knows c++0x and not c++14 (all of hls4ml's scripts);
# - impl/report/verilog/<top>_export.rpt in Vivado HLS, export_syn.rpt in Vitis HLS: public scripts that look for both;
# - export_design fails since 2022 in releases up to 2021.2 without AMD's patch: Xilinx/PYNQ issue 1335, AMD answer 76960.
# Not known, and hence not used by the templates: what a tool does on an error inside a script that catches nothing.

set tool $env(TOOL)
set release $env(RELEASE)
set vitis [expr {$tool eq "vitis_hls"}]
set trace [open $env(LOG) a]
set project ""
array set solution {}

proc record {args} {
    puts $::trace [join $args "\t"]
    flush $::trace
}
proc fault {step} {
    if {[info exists ::env(FAULT)] && $::env(FAULT) eq $step} { error "ERROR: \[HLS 200-70\] $step failed on purpose." }
}

# Options: `flags` stand alone, `values` take the next word; "-name=value" is the tools' other spelling.
proc options {command words flags values} {
    set found {}
    set rest {}
    for {set i 0} {$i < [llength $words]} {incr i} {
        set word [lindex $words $i]
        if {[regexp {^-(\w+)=(.*)$} $word -> name value] && $name in $values} {
            dict set found $name $value
        } elseif {[string match -* $word] && [string range $word 1 end] in $flags} {
            dict set found [string range $word 1 end] 1
        } elseif {[string match -* $word] && [string range $word 1 end] in $values} {
            dict set found [string range $word 1 end] [lindex $words [incr i]]
        } elseif {[string match -* $word]} {
            error "ERROR: \[HLS 200-101\] '$command': Unknown option '$word'."
        } else {
            lappend rest $word
        }
    }
    return [list $found $rest]
}
proc one {command words} {
    if {[llength $words] != 1} { error "ERROR: \[HLS 200-101\] '$command' takes one argument, not '$words'." }
    return [lindex $words 0]
}

# A project remembers its files, a solution its settings and whether it was synthesised.

proc folder {} { return [file join $::project $::solution(name)] }
proc state {} { return [file join $::project $::solution(name) solution.state] }
proc save {} {
    set out [open [state] w]
    puts $out [array get ::solution]
    close $out
}
proc open_project {args} {
    lassign [options open_project $args reset {}] found rest
    record open_project {*}$args
    set ::project [one open_project $rest]
    if {[dict exists $found reset]} { file delete -force $::project }
    if {![dict exists $found reset] && ![file isdirectory $::project]} { error "ERROR: no project $::project" }
    file mkdir $::project
    set ::files {}
    set ::bench {}
    set ::top ""
    if {[file exists $::project/hls.app]} {
        set in [open $::project/hls.app]
        lassign [read $in] ::top ::files ::bench
        close $in
    }
}
proc remember {} {
    set out [open $::project/hls.app w]
    puts $out [list $::top $::files $::bench]
    close $out
}
proc set_top {name} {
    record set_top $name
    set ::top $name
    remember
}
proc add_files {args} {
    lassign [options add_files $args tb cflags] found rest
    record add_files {*}$args
    set name [one add_files $rest]
    if {![file exists $name]} { error "ERROR: \[HLS 200-61\] '$name' does not exist." }
    set flags [expr {[dict exists $found cflags] ? [dict get $found cflags] : ""}]
    if {!$::vitis && [regexp -- {-std=(\S+)} $flags -> standard] && $standard ni {c++0x gnu++0x c++98 gnu++98}} {
        error "ERROR: cc1plus: unrecognized command line option \"-std=$standard\""
    }
    lappend [expr {[dict exists $found tb] ? "::bench" : "::files"}] $name $flags
    remember
}
proc open_solution {args} {
    lassign [options open_solution $args reset {}] found rest
    record open_solution {*}$args
    array set ::solution [list name [one open_solution $rest] part "" period "" synthesised 0]
    if {[dict exists $found reset]} {
        file delete -force [folder]
    } elseif {[file exists [state]]} {
        set in [open [state]]
        array set ::solution [read $in]
        close $in
    }
    file mkdir [folder]
    save
}

# Settings.

proc set_part {part} {
    record set_part $part
    if {![regexp {^xc[a-z0-9]+-[\w-]+$|^xc7[a-z0-9]+$} $part]} { error "ERROR: \[HLS 200-1\] no part $part" }
    set ::solution(part) $part
    save
}
proc create_clock {args} {
    lassign [options create_clock $args {} {period name}] found rest
    record create_clock {*}$args
    if {![string is double -strict [dict get $found period]]} { error "ERROR: the period is no number" }
    set ::solution(period) [dict get $found period]
    save
}
proc set_clock_uncertainty {share clock} {
    record set_clock_uncertainty $share $clock
    if {![regexp {^[\d.]+%?$} $share] || $clock ne "default"} { error "ERROR: no uncertainty '$share' of '$clock'" }
}
proc config_compile {args} {
    options config_compile $args {} {name_max_length pipeline_loops}
    record config_compile {*}$args
}
proc config_schedule {args} {
    options config_schedule $args {} {enable_dsp_full_reg}
    record config_schedule {*}$args
}
proc config_array_partition {args} {
    if {$::vitis} { error "ERROR: \[HLS 200-642\] The 'config_array_partition -maximum_size' command is not supported." }
    options config_array_partition $args {} {maximum_size}
    record config_array_partition {*}$args
}

# Steps.

proc require_settings {step} {
    record $step
    foreach name {part period} {
        if {$::solution($name) eq ""} { error "ERROR: $step: the solution has no $name" }
    }
    if {$::top eq ""} { error "ERROR: $step: the project has no top function" }
    fault $step
}
# The bench runs in a folder of the solution, its data beside it, and fails by its exit code.
proc csim_design {args} {
    require_settings csim_design
    set build [file join [folder] csim build]
    file mkdir $build
    set objects {}
    foreach {name flags} [concat $::files $::bench] {
        if {[file isdirectory $name]} {
            file copy -force $name $build
        } else {
            set object [file join $build [file tail $name].o]
            exec g++ -O0 -w -fwrapv -Ifirmware/ap_types {*}$flags -c $name -o $object
            lappend objects $object
        }
    }
    exec g++ {*}$objects -o [file join $build csim.exe]
    set here [pwd]
    cd $build
    set failed [catch {exec ./csim.exe 2>@1} said]
    cd $here
    puts $said
    if {$failed} { error "ERROR: \[SIM 211-100\] CSim failed with errors." }
    puts "INFO: \[SIM 211-1\] CSim done with 0 errors."
}
proc csynth_design {} {
    require_settings csynth_design
    leave [file join syn report ${::top}_csynth.xml] [expr {$::vitis ? "vitis" : "vivado"}]_csynth.xml
    set ::solution(synthesised) 1
    save
}
proc require_synthesis {step} {
    if {!$::solution(synthesised)} { error "ERROR: \[HLS 200-101\] $step: run C synthesis first." }
}
proc cosim_design {args} {
    lassign [options cosim_design $args {} {rtl trace_level}] found rest
    require_settings cosim_design
    require_synthesis cosim_design
    if {![dict exists $found rtl] || [dict get $found rtl] ne "verilog"} { error "ERROR: no rtl" }
    leave [file join sim report ${::top}_cosim.rpt] cosim.rpt
}
proc export_design {args} {
    lassign [options export_design $args {} {format flow rtl vendor library ipname version description}] found rest
    require_settings export_design
    require_synthesis export_design
    foreach {name allowed} {format ip_catalog flow {syn impl none} rtl {verilog vhdl}} {
        if {[dict get $found $name] ni $allowed} { error "ERROR: \[HLS 200-101\] -$name [dict get $found $name]" }
    }
    if {[package vcompare $::release 2021.2] <= 0 && ![info exists ::env(PATCHED)]} {
        set revision [clock format [clock seconds] -format %y%m%d%H%M]
        puts "ERROR: '$revision' is an invalid argument. Please specify an integer value."
        puts "    while executing\n\"rdi::set_property core_revision $revision {component component_1}\""
        error "ERROR: \[IMPL 213-28\] Failed to generate IP."
    }
    leave [file join impl report verilog [expr {$::vitis ? "export_syn" : "${::top}_export"}].rpt] export.rpt
}
proc leave {path report} {
    set path [file join [folder] $path]
    file mkdir [file dirname $path]
    file copy -force [file join $::env(REPORTS) $report] $path
}

if {[catch {source [lindex $argv 0]} message]} {
    puts $message
    puts "command 'ap_source' returned error code"
    exit 1
}
