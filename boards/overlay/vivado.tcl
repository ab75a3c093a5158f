# What differs between Vivado 2020.1 and 2024.2, and nothing else knows.

namespace eval amc {
    variable oldest 2020.1
    variable newest 2024.2

    # Release as a number that orders: 2020.1 -> 20201, 2020.2.2 -> 20202.
    proc release {} {
        if {![regexp {(\d{4})\.(\d)} [version -short] -> year part]} {
            error "cannot read Vivado's version from '[version -short]'"
        }
        return $year$part
    }

    proc require_version {} {
        variable oldest
        variable newest
        set found [release]
        if {$found < [string map {. ""} $oldest]} {
            error "Vivado [version -short] is older than $oldest, the oldest that these scripts know"
        }
        if {$found > [string map {. ""} $newest]} {
            puts "WARNING: Vivado [version -short] is newer than $newest, the newest that these scripts were written for"
        }
    }

    # A part is missing where its family was not installed, or where it came with a later release (K26: 2020.2.2).
    proc require_part {part} {
        if {[llength [get_parts -quiet $part]] == 0} {
            error "Vivado [version -short] does not know the part $part: install its device family, or a release that\
                has it (docs/guides/board.md, step 3)"
        }
    }

    # A folder of the user's beside Vivado's own; appended, since the user may have set others.
    proc use_board_files {} {
        upvar #0 env env
        if {![info exists env(HW_AMC_BOARD_FILES)] || $env(HW_AMC_BOARD_FILES) eq ""} { return }
        set folder [file normalize $env(HW_AMC_BOARD_FILES)]
        if {![file isdirectory $folder]} { error "HW_AMC_BOARD_FILES: $folder is no folder" }
        set found [get_property BOARD_PART_REPO_PATHS [current_project]]
        lappend found $folder
        set_property BOARD_PART_REPO_PATHS $found [current_project]
        set found [get_param board.repoPaths]
        lappend found $folder
        set_param board.repoPaths $found
    }

    # Board files come in revisions (part0:1.0, part0:1.4): take the newest installed one. Without any, the clock is set
    # by hand and read back; the rest of the PS keeps its defaults, since PYNQ's boot loader sets it up.
    proc use_board_part {} {
        upvar #0 settings settings
        set settings(preset) 0
        foreach wanted $settings(board_parts) {
            set family [join [lrange [split $wanted :] 0 end-1] :]
            set found [get_board_parts -quiet -latest_file_version "$family:*"]
            if {[llength $found]} {
                set_property board_part [lindex $found 0] [current_project]
                set settings(preset) 1
                return
            }
        }
        if {[llength $settings(board_parts)]} {
            puts "WARNING: no board files for [lindex $settings(board_parts) 0]; the clock is set by hand and checked."
        }
    }

    # Newest version of a catalogue IP: the catalogue of every release has another one.
    proc newest_ip {name} {
        set found [lsort -dictionary [get_ipdefs -all -quiet "xilinx.com:ip:$name:*"]]
        if {[llength $found] == 0} {
            error "Vivado's catalogue has no $name; is the part's device family installed?"
        }
        return [lindex $found end]
    }

    # wait_on_run became wait_on_runs in 2021.2; the old name stays for now.
    proc wait_for {run} {
        if {[llength [info commands wait_on_runs]]} { wait_on_runs $run } else { wait_on_run $run }
        if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
            error "run $run failed: [get_property STATUS [get_runs $run]]; see its runme.log"
        }
    }

    # Generated files moved from <project>.srcs to <project>.gen in 2020.2.
    proc find_handoff {project name} {
        foreach kind {gen srcs} {
            set path [file join $project overlay.$kind sources_1 bd $name hw_handoff $name.hwh]
            if {[file exists $path]} { return $path }
        }
        error "Vivado wrote no $name.hwh under $project"
    }
}
