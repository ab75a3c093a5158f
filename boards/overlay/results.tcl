# Reports, files for the board, and the timing check.

namespace eval amc {
    proc write_reports {run build} {
        open_run $run
        report_utilization -file [file join $build utilization.rpt]
        report_timing_summary -max_paths 10 -file [file join $build timing.rpt]
        report_power -file [file join $build power.rpt]
    }

    # The bitstream and its handoff under the name that PYNQ and the driver load.
    proc collect {build} {
        upvar #0 settings settings
        set name $settings(name)
        set design $settings(design)
        set project [file join $build vivado]
        file copy -force [file join $project overlay.runs impl_1 ${design}_wrapper.bit] [file join $build $name.bit]
        file copy -force [find_handoff $project $design] [file join $build $name.hwh]
    }

    # Setup and hold of every path, after routing.
    proc require_timing {run} {
        foreach {what property} {setup STATS.WNS hold STATS.WHS} {
            set slack [get_property $property [get_runs $run]]
            if {$slack eq "" || $slack < 0} {
                error "timing failed: worst $what slack is $slack ns; lower clock_mhz in board.toml, see build/timing.rpt"
            }
        }
    }
}
