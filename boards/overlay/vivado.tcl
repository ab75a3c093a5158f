# What differs between Vivado 2020.1 and 2024.2, and nothing else knows.

namespace eval amc {
    variable oldest 2020.1
    variable newest 2024.2

    # Release as a number that orders: 2020.1 -> 20201.
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

    # Board files come in revisions (part0:1.0, part0:1.4): take the newest installed one. Without any, the PS keeps
    # its defaults: PYNQ configures it at boot, from its own first-stage boot loader.
    proc use_board_part {} {
        upvar #0 settings settings
        set settings(preset) 0
        set wanted $settings(board_part)
        if {$wanted eq ""} { return }
        set family [join [lrange [split $wanted :] 0 end-1] :]
        set found [get_board_parts -quiet -latest_file_version "$family:*"]
        if {[llength $found] == 0} {
            puts "WARNING: no board files for $wanted; the PS keeps its defaults. Vivado's board store has them."
            return
        }
        set_property board_part [lindex $found 0] [current_project]
        set settings(preset) 1
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
