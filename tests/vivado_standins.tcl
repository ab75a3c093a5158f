# Stand-ins for the Vivado commands that boards/overlay uses: they record every call, keep a model of the block design,
# and refuse what Vivado would refuse: unknown pins, settings, IPs and segments, doubly driven nets, open clocks.
#
# tclsh vivado_standins.tcl build.tcl ?goal?   with LOG, VIVADO, SLACK, BOARD_PARTS, IP_PINS in the environment.

set argv0 [lindex $argv 0]
set argv [lrange $argv 1 end]
set argc [llength $argv]
set trace [open $env(LOG) w]
array set cells {}
array set config {}
array set driver {}
array set linked {}
array set spaces {}
set bd ""

proc record {args} {
    puts $::trace [join $args "\t"]
    flush $::trace
}

# Catalogue: name -> version, pins (name direction), interface pins, settings, address segments.
set catalogue(axi_dma) {7.1 {
    s_axi_lite_aclk I m_axi_mm2s_aclk I m_axi_s2mm_aclk I axi_resetn I mm2s_introut O s2mm_introut O
} {S_AXI_LITE M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S S_AXIS_S2MM} {
    c_include_sg c_micro_dma c_sg_length_width c_addr_width c_include_mm2s c_include_s2mm c_include_mm2s_dre
    c_include_s2mm_dre c_m_axi_mm2s_data_width c_m_axi_s2mm_data_width c_m_axis_mm2s_tdata_width c_mm2s_burst_size
    c_s2mm_burst_size
} {S_AXI_LITE/Reg}}
set catalogue(proc_sys_reset) {5.0 {
    slowest_sync_clk I ext_reset_in I aux_reset_in i mb_debug_sys_rst i dcm_locked i
    mb_reset O bus_struct_reset O peripheral_reset O interconnect_aresetn O peripheral_aresetn O
} {} {} {}}
set catalogue(smartconnect) {1.0 {aclk I aresetn I} {S00_AXI S01_AXI M00_AXI M01_AXI} {NUM_SI NUM_MI} {}}
set catalogue(processing_system7) {5.5 {
    FCLK_CLK0 O FCLK_RESET0_N O M_AXI_GP0_ACLK I S_AXI_HP0_ACLK I
} {M_AXI_GP0 S_AXI_HP0} {
    PCW_FPGA0_PERIPHERAL_FREQMHZ PCW_EN_CLK0_PORT PCW_EN_RST0_PORT PCW_USE_M_AXI_GP0 PCW_USE_S_AXI_HP0
    PCW_S_AXI_HP0_DATA_WIDTH
} {S_AXI_HP0/HP0_DDR_LOWOCM}}
set catalogue(zynq_ultra_ps_e) {3.4 {
    pl_clk0 O pl_resetn0 O maxihpm0_fpd_aclk I saxihp0_fpd_aclk I
} {M_AXI_HPM0_FPD S_AXI_HP0_FPD} {
    PSU__FPGA_PL0_ENABLE PSU__CRL_APB__PL0_REF_CTRL__SRCSEL PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ
    PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1 PSU__USE__M_AXI_GP0 PSU__USE__M_AXI_GP1
    PSU__USE__M_AXI_GP2 PSU__MAXIGP0__DATA_WIDTH PSU__USE__S_AXI_GP2 PSU__SAXIGP2__DATA_WIDTH
} {SAXIGP2/HP0_DDR_LOW}}

proc version {option} { return "Vivado v$::env(VIVADO)" }

proc create_project {args} {
    record create_project {*}$args
    lassign $args force name ::project
    file mkdir $::project
}
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }
proc get_board_parts {args} {
    set pattern [lindex $args end]
    set found {}
    foreach part $::env(BOARD_PARTS) { if {[string match $pattern $part]} { lappend found $part } }
    return $found
}
proc update_ip_catalog {args} {
    record update_ip_catalog {*}$args
    set ::catalogue($::env(IP_NAME)) $::env(IP_PINS)
}
proc get_ipdefs {args} {
    lassign [split [lindex $args end] :] vendor library name version
    if {![info exists ::catalogue($name)]} { return {} }
    set known [lindex $::catalogue($name) 0]
    if {$version ni [list * $known]} { return {} }
    return "$vendor:$library:$name:$known"
}

proc set_property {args} {
    record set_property {*}$args
    if {[lindex $args 0] eq "-dict"} {
        lassign $args - values cell
        foreach {key value} $values {
            regsub {^CONFIG\.} $key {} key
            if {$key ni [lindex $::catalogue($::cells($cell)) 3]} { error "$cell has no setting $key" }
            set ::config($cell,$key) $value
        }
    }
}
proc get_property {name object} {
    switch -glob $name {
        PROGRESS { return "100%" }
        STATUS { return done }
        STATS.WNS { return $::env(SLACK) }
        STATS.WHS { return 0.011 }
    }
    error "no property $name of $object"
}

proc create_bd_design {name} { record create_bd_design $name; set ::bd $name }
proc create_bd_cell {args} {
    lassign $args - - - vlnv cell
    record create_bd_cell $vlnv $cell
    set name [lindex [split $vlnv :] 2]
    if {[get_ipdefs $vlnv] ne $vlnv} { error "no IP $vlnv" }
    if {[info exists ::cells($cell)]} { error "cell $cell exists" }
    set ::cells($cell) $name
    return $cell
}
proc get_bd_cells {name} {
    if {![info exists ::cells($name)]} { error "no cell $name" }
    return $name
}
proc apply_bd_automation {args} {
    record apply_bd_automation {*}$args
    if {[lindex $args 1] ne "xilinx.com:bd_rule:$::cells([lindex $args end])"} { error "no such rule" }
}

# A PS port and its clock exist once they are enabled.
proc enabled {cell name} {
    set ps $::cells($cell)
    set gates {
        M_AXI_GP0 PCW_USE_M_AXI_GP0 M_AXI_GP0_ACLK PCW_USE_M_AXI_GP0
        S_AXI_HP0 PCW_USE_S_AXI_HP0 S_AXI_HP0_ACLK PCW_USE_S_AXI_HP0
        M_AXI_HPM0_FPD PSU__USE__M_AXI_GP0 maxihpm0_fpd_aclk PSU__USE__M_AXI_GP0
        S_AXI_HP0_FPD PSU__USE__S_AXI_GP2 saxihp0_fpd_aclk PSU__USE__S_AXI_GP2
    }
    if {[dict exists $gates $name]} {
        set gate [dict get $gates $name]
        return [expr {[info exists ::config($cell,$gate)] && $::config($cell,$gate) eq "1"}]
    }
    if {$ps eq "smartconnect" && [regexp {^([SM])(\d\d)_AXI$} $name -> side index]} {
        return [expr {[scan $index %d] < $::config($cell,NUM_${side}I)}]
    }
    return 1
}
proc get_bd_pins {path} {
    lassign [split $path /] cell pin
    set pins [lindex $::catalogue($::cells($cell)) 1]
    if {![dict exists $pins $pin] || ![enabled $cell $pin]} { error "no pin $path" }
    return $path
}
proc get_bd_intf_pins {path} {
    lassign [split $path /] cell pin
    if {$pin ni [lindex $::catalogue($::cells($cell)) 2] || ![enabled $cell $pin]} { error "no interface pin $path" }
    return $path
}
proc direction {path} {
    lassign [split $path /] cell pin
    return [dict get [lindex $::catalogue($::cells($cell)) 1] $pin]
}
proc connect_bd_net {from to} {
    record connect_bd_net $from $to
    if {[direction $from] ne "O"} { error "$from drives nothing" }
    if {[string toupper [direction $to]] ne "I"} { error "$to is driven by its own cell" }
    if {[info exists ::driver($to)]} { error "$to has two drivers" }
    set ::driver($to) $from
}
proc connect_bd_intf_net {from to} {
    record connect_bd_intf_net $from $to
    foreach end [list $from $to] {
        if {[info exists ::linked($end)]} { error "$end is connected twice" }
    }
    set ::linked($from) $to
    set ::linked($to) $from
}
proc get_bd_addr_spaces {path} {
    set cell [lindex [split $path /] 0]
    if {$path ni {ps_0/Data axi_dma_0/Data_MM2S axi_dma_0/Data_S2MM} || ![info exists ::cells($cell)]} {
        error "no address space $path"
    }
    return $path
}
proc get_bd_addr_segs {path} {
    set rest [join [lassign [split $path /] cell] /]
    if {$rest ni [lindex $::catalogue($::cells($cell)) 4]} { error "no segment $path" }
    return $path
}
proc assign_bd_address {args} {
    lassign $args - offset - range - space segment
    record assign_bd_address $offset $range $space $segment
    if {$range & ($range - 1)} { error "range $range is no power of two" }
    if {$offset % $range} { error "offset $offset is not aligned to its range $range" }
    foreach {base size} [expr {[info exists ::spaces($space)] ? $::spaces($space) : {}}] {
        if {$offset < $base + $size && $base < $offset + $range} { error "$segment overlaps in $space" }
    }
    lappend ::spaces($space) $offset $range
}
proc validate_bd_design {} {
    record validate_bd_design
    foreach {cell name} [array get ::cells] {
        lassign $::catalogue($name) - pins buses
        foreach {pin direction} $pins {
            if {$direction eq "I" && [enabled $cell $pin] && ![info exists ::driver($cell/$pin)]} {
                error "$cell/$pin is not connected"
            }
        }
        foreach bus $buses {
            if {[enabled $cell $bus] && ![info exists ::linked($cell/$bus)]} { error "$cell/$bus is not connected" }
        }
    }
}
proc save_bd_design {} { record save_bd_design }

proc make_wrapper {args} { record make_wrapper {*}$args; return $::project/wrapper.v }
proc get_files {name} {
    if {$name ne "$::bd.bd"} { error "no file $name" }
    return $name
}
proc add_files {args} { record add_files {*}$args }
proc update_compile_order {args} { record update_compile_order }
proc generate_target {args} {
    record generate_target {*}$args
    set kind [expr {$::env(VIVADO) eq "2020.1" ? "srcs" : "gen"}]
    set folder [file join $::project overlay.$kind sources_1 bd $::bd hw_handoff]
    file mkdir $folder
    close [open [file join $folder $::bd.hwh] w]
}
proc launch_runs {args} {
    record launch_runs {*}$args
    if {[lindex $args 0] eq "impl_1"} {
        set folder [file join $::project overlay.runs impl_1]
        file mkdir $folder
        close [open [file join $folder ${::bd}_wrapper.bit] w]
    }
}
proc [expr {$env(VIVADO) < 2021.2 ? "wait_on_run" : "wait_on_runs"}] {run} { record wait $run }
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
