# Stand-ins for the Vivado commands that boards/overlay uses: they record every call, keep a model of the block design,
# and refuse what Vivado would refuse: unknown commands, options, pins, settings and values, IPs and segments, doubly
# driven nets, open clocks. What they know of clocks and settings stands in ps.tcl and catalogue.tcl, with its sources.
#
# tclsh vivado.tcl build.tcl ?goal?   with in the environment LOG, VIVADO (release), SLACK, BOARD_PARTS (those that are
# installed), IP_NAME, IP_PINS, IP_TOP; optionally REPORTS (folder of report texts), FAULT (see below).

set argv0 [lindex $argv 0]
set argv [lrange $argv 1 end]
set argc [llength $argv]
set trace [open $env(LOG) w]
array set cells {}
array set config {}
array set user_set {}
array set driver {}
array set linked {}
array set spaces {}
array set reached {}
array set params {board.repoPaths {}}
set bd ""
set board_part ""
set repo_paths {}
set critical {}
set design_files {}

regexp {(\d{4})\.(\d)} $env(VIVADO) -> year part
set release $year$part
foreach part {catalogue ps design} { source [file join [file dirname [info script]] $part.tcl] }

proc record {args} {
    puts $::trace [join $args "\t"]
    flush $::trace
}
proc is_fault {name} { return [expr {[info exists ::env(FAULT)] && $::env(FAULT) eq $name}] }

# Options of a command: `flags` stand alone, `values` take the next word; what is left are its arguments.
proc options {command words flags values} {
    set found {}
    set rest {}
    for {set i 0} {$i < [llength $words]} {incr i} {
        set word [lindex $words $i]
        if {[string match -* $word] && ![string is double $word]} {
            set name [string range $word 1 end]
            if {$name in $flags} {
                dict set found $name 1
            } elseif {$name in $values} {
                dict set found $name [lindex $words [incr i]]
            } else {
                error "\[Common 17-170\] Unknown option '$word' of $command"
            }
        } else {
            lappend rest $word
        }
    }
    return [list $found $rest]
}
proc one {command arguments} {
    if {[llength $arguments] != 1} { error "$command takes one argument, not '$arguments'" }
    return [lindex $arguments 0]
}
# A file argument is a list: a path with a space that was not made one is several.
proc require_files {command names} {
    foreach name $names { if {![file exists $name]} { error "\[Vivado 12-172\] $command: file '$name' does not exist" } }
}

proc version {option} {
    if {$option ne "-short"} { error "version is asked for its short form only" }
    return $::env(VIVADO)
}
proc get_param {name} { return $::params($name) }
proc set_param {name value} {
    record set_param $name $value
    if {![info exists ::params($name)]} { error "no parameter $name" }
    set ::params($name) $value
}
proc get_msg_config {args} {
    lassign [options get_msg_config $args count severity] found rest
    if {[dict get $found severity] ne "CRITICAL WARNING"} { error "no such severity" }
    return [llength $::critical]
}
proc warn_critically {text} {
    puts "CRITICAL WARNING: $text"
    lappend ::critical $text
}

# Projects, parts, boards.

proc get_parts {args} {
    lassign [options get_parts $args quiet {}] found rest
    set part [one get_parts $rest]
    if {![dict exists $::parts $part]} { return {} }
    return [expr {[package vcompare $::env(VIVADO) [dict get $::parts $part]] < 0 ? {} : $part}]
}
proc create_project {args} {
    lassign [options create_project $args force part] found rest
    record create_project {*}$args
    lassign $rest name ::project
    set ::part [dict get $found part]
    if {![llength [get_parts -quiet $::part]]} { error "\[Coretcl 2-106\] Specified part could not be found." }
    file mkdir $::project
}
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }

# Installed board files, and those in the folders that the project was told of: a board.xml names vendor, board, revision.
proc all_board_parts {} {
    set found $::env(BOARD_PARTS)
    foreach folder $::repo_paths {
        foreach path [concat [glob -nocomplain -directory $folder */board.xml] [glob -nocomplain -directory $folder */*/board.xml]] {
            set in [open $path]
            set text [read $in]
            close $in
            regexp {<board [^>]*vendor="([^"]+)"} $text -> vendor
            regexp {<board [^>]*name="([^"]+)"} $text -> name
            regexp {<file_version>([^<]+)<} $text -> revision
            lappend found $vendor:$name:part0:$revision
        }
    }
    return $found
}
proc get_board_parts {args} {
    lassign [options get_board_parts $args {quiet latest_file_version} {}] found rest
    set pattern [one get_board_parts $rest]
    set matching {}
    foreach part [all_board_parts] { if {[string match $pattern $part]} { lappend matching $part } }
    set matching [lsort -dictionary $matching]
    return [expr {[dict exists $found latest_file_version] ? [lrange $matching end end] : $matching}]
}

# Catalogue.

proc update_ip_catalog {args} {
    lassign [options update_ip_catalog $args rebuild {}] found rest
    record update_ip_catalog {*}$args
    set ::catalogue($::env(IP_NAME)) $::env(IP_PINS)
    set ::settings_of($::env(IP_NAME)) {}
}
proc get_ipdefs {args} {
    lassign [options get_ipdefs $args {all quiet} {}] found rest
    lassign [split [one get_ipdefs $rest] :] vendor library name version
    if {![info exists ::catalogue($name)]} { return {} }
    set known [lindex $::catalogue($name) 0]
    if {$version ni [list * $known]} { return {} }
    return "$vendor:$library:$name:$known"
}

# Properties.

proc set_property {args} {
    record set_property {*}$args
    if {[lindex $args 0] eq "-dict"} {
        lassign $args - values cell
        foreach {key value} $values { set_config $cell $key $value }
        return
    }
    lassign $args name value object
    if {[string match CONFIG.* $name]} { return [set_config $object $name $value] }
    switch -glob $object:$name {
        project:board_part {
            if {$value ni [all_board_parts]} { error "\[Board 49-71\] The board_part '$value' is not found." }
            set ::board_part $value
        }
        project:BOARD_PART_REPO_PATHS - project:ip_repo_paths {
            foreach folder $value {
                if {![file isdirectory $folder]} { error "\[IP_Flow 19-1663\] '$folder' is no folder" }
            }
            if {$name eq "BOARD_PART_REPO_PATHS"} { set ::repo_paths $value }
        }
        project:target_language - sources_1:top - impl_1:STEPS.* {}
        default { error "\[Common 17-54\] The object '$object' does not have a property '$name'." }
    }
}
proc set_config {cell key value} {
    if {![regexp {^CONFIG\.([^.]+)(\.VALUE_SRC)?$} $key -> name src]} { error "no property $key of $cell" }
    set kind $::cells($cell)
    if {![dict exists $::settings_of($kind) $name]} {
        error "\[Common 17-54\] The object '$cell' does not have a property '$key'."
    }
    if {$src ne ""} {
        if {$value ni {USER DEFAULT PROPAGATED}} { error "VALUE_SRC '$value' is unknown" }
        set ::user_set($cell,$name) [expr {$value eq "USER"}]
        return
    }
    set allowed [lindex [dict get $::settings_of($kind) $name] 1]
    if {$allowed ne "any" && $value ni $allowed} {
        error "\[IP_Flow 19-3461\] Value '$value' is out of the range for parameter '$name': $allowed"
    }
    # A derived setting keeps its value without a word.
    if {[info exists ::derived($kind)] && $name in $::derived($kind)
        && !([info exists ::user_set($cell,$name)] && $::user_set($cell,$name))} { return }
    set ::config($cell,$name) $value
    if {[is_ps $cell]} { compute_clock $cell }
}
proc get_property {name object} {
    switch -glob $name {
        CONFIG.* {
            set key $object,[string range $name 7 end]
            if {![info exists ::config($key)]} { error "\[Common 17-54\] '$object' has no property '$name'" }
            return $::config($key)
        }
        BOARD_PART_REPO_PATHS { return $::repo_paths }
        PROGRESS { return [expr {[is_fault $object] ? "35%" : "100%"}] }
        STATUS { return [expr {[is_fault $object] ? "synth_design ERROR" : "done"}] }
        STATS.WNS { return $::env(SLACK) }
        STATS.WHS { return 0.011 }
    }
    error "no property $name of $object"
}

# Files and runs.

proc make_wrapper {args} {
    lassign [options make_wrapper $args top files] found rest
    record make_wrapper {*}$args
    set path [file join $::project wrapper.v]
    close [open $path w]
    return $path
}
proc get_files {name} {
    if {$name ne "$::bd.bd"} { error "no file $name" }
    return $name
}
proc add_files {args} {
    lassign [options add_files $args norecurse {}] found rest
    record add_files {*}$args
    require_files add_files [one add_files $rest]
}
proc update_compile_order {args} { record update_compile_order }
proc generate_target {args} {
    record generate_target {*}$args
    set kind [expr {$::release < 20202 ? "srcs" : "gen"}]
    set folder [file join $::project overlay.$kind sources_1 bd $::bd hw_handoff]
    file mkdir $folder
    write_handoff [file join $folder $::bd.hwh]
}

# The handoff, of what the design is now: enough of it for whoever checks a real one.
proc write_handoff {path} {
    set out [open $path w]
    puts $out "<EDKSYSTEM EDWVERSION=\"1.2\" VIVADOVERSION=\"$::env(VIVADO)\">"
    set board [expr {$::board_part eq "" ? "" : " BOARD=\"$::board_part\""}]
    set device [lindex [split [string map {clg400 -clg400} $::part] -] 0]
    if {[string match xc7* $device]} { set device [string range $device 2 end] }
    puts $out "<SYSTEMINFO$board DEVICE=\"$device\" NAME=\"$::bd\"/>\n<MODULES>"
    foreach {cell name} [array get ::cells] {
        set vendor [expr {$name eq $::env(IP_NAME) ? "hw_amc:user" : "xilinx.com:ip"}]
        set vlnv $vendor:$name:[lindex $::catalogue($name) 0]
        puts $out "<MODULE INSTANCE=\"$cell\" MODTYPE=\"$name\" VLNV=\"$vlnv\"><PARAMETERS>"
        foreach key [array names ::config $cell,*] {
            set setting [string range $key [string length $cell,] end]
            foreach spelling [lsort -unique [list $setting [string toupper $setting]]] {
                puts $out "<PARAMETER NAME=\"$spelling\" VALUE=\"$::config($key)\"/>"
            }
        }
        puts $out "</PARAMETERS><MEMORYMAP>"
        foreach {key place} [array get ::reached $cell/Data,*] {
            lassign [split [string range $key [string length $cell/Data,] end] /] instance bus block
            lassign $place base range
            puts $out "<MEMRANGE ADDRESSBLOCK=\"$block\" BASEVALUE=\"[format 0x%08X $base]\"\
                HIGHVALUE=\"[format 0x%08X [expr {$base + $range - 1}]]\" INSTANCE=\"$instance\"\
                SLAVEBUSINTERFACE=\"$bus\"/>"
        }
        puts $out "</MEMORYMAP></MODULE>"
    }
    puts $out "</MODULES>\n</EDKSYSTEM>"
    close $out
}

# One name, one module: the block design's own Verilog, its wrapper and the IP's top meet in one elaboration.
proc launch_runs {args} {
    lassign [options launch_runs $args {} {jobs to_step}] found rest
    set run [one launch_runs $rest]
    record launch_runs {*}$args
    if {$::bd eq $::env(IP_TOP)} { error "\[Synth 8-439\] module '$::bd' is defined by the design and by the IP" }
    if {$run eq "impl_1"} {
        set folder [file join $::project overlay.runs impl_1]
        file mkdir $folder
        close [open [file join $folder ${::bd}_wrapper.bit] w]
    }
}
proc [expr {$release < 20212 ? "wait_on_run" : "wait_on_runs"}] {run} { record wait $run }
proc get_runs {name} {
    if {$name ni {synth_1 impl_1}} { error "no run $name" }
    return $name
}
proc open_run {run} { record open_run $run }
# A report's text comes from $REPORTS/<command>, where that folder is given.
proc write_report {name path} {
    set out [open $path w]
    if {[info exists ::env(REPORTS)]} {
        set in [open [file join $::env(REPORTS) $name]]
        fcopy $in $out
        close $in
    }
    close $out
}
foreach report {report_utilization report_timing_summary report_power} {
    proc $report {args} "record $report {*}\$args; write_report $report \[lindex \$args end\]"
}

source $argv0
