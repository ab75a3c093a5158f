# Stand-ins for the commands of a block design: cells, nets, addresses, validation.

proc create_bd_design {name} { record create_bd_design $name; set ::bd $name }
proc create_bd_cell {args} {
    lassign [options create_bd_cell $args {} {type vlnv}] found rest
    set cell [one create_bd_cell $rest]
    set vlnv [dict get $found vlnv]
    record create_bd_cell $vlnv $cell
    set name [lindex [split $vlnv :] 2]
    if {[get_ipdefs $vlnv] ne $vlnv} { error "\[BD 5-390\] IP definition not found for VLNV: $vlnv" }
    if {[info exists ::cells($cell)]} { error "cell $cell exists" }
    set ::cells($cell) $name
    dict for {setting values} $::settings_of($name) { set ::config($cell,$setting) [lindex $values 0] }
    return $cell
}
proc get_bd_cells {name} {
    if {![info exists ::cells($name)]} { error "no cell $name" }
    return $name
}
proc apply_bd_automation {args} {
    lassign [options apply_bd_automation $args {} {rule config}] found rest
    record apply_bd_automation {*}$args
    set cell [one apply_bd_automation $rest]
    if {[dict get $found rule] ne "xilinx.com:bd_rule:$::cells($cell)"} { error "no such rule" }
    set config [dict get $found config]
    if {[dict get $config apply_board_preset]} { apply_preset $cell }
    compute_clock $cell
}

proc enabled {cell name} {
    if {[dict exists $::gates $name]} { return [expr {$::config($cell,[dict get $::gates $name]) eq "1"}] }
    if {$::cells($cell) eq "smartconnect" && [regexp {^([SM])(\d\d)_AXI$} $name -> side index]} {
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

# Addresses. Every segment that a space reaches must be assigned or excluded.

proc get_bd_addr_spaces {path} {
    set cell [lindex [split $path /] 0]
    if {$path ni {ps_0/Data axi_dma_0/Data_MM2S axi_dma_0/Data_S2MM} || ![info exists ::cells($cell)]} {
        error "no address space $path"
    }
    return $path
}
proc get_bd_addr_segs {args} {
    lassign [options get_bd_addr_segs $args quiet {}] found rest
    set pattern [one get_bd_addr_segs $rest]
    set matching {}
    foreach {cell name} [array get ::cells] {
        foreach segment [lindex $::catalogue($name) 3] {
            if {[string match $pattern $cell/$segment]} { lappend matching $cell/$segment }
        }
    }
    if {![llength $matching] && ![dict exists $found quiet]} { error "no segment $pattern" }
    return [lsort $matching]
}
proc assign_bd_address {args} {
    lassign [options assign_bd_address $args force {offset range target_address_space}] found rest
    set segment [one assign_bd_address $rest]
    foreach key {offset range target_address_space} { set $key [dict get $found $key] }
    record assign_bd_address $offset $range $target_address_space $segment
    if {$range & ($range - 1)} { error "range $range is no power of two" }
    if {$offset % $range} { error "offset $offset is not aligned to its range $range" }
    set taken [expr {[info exists ::spaces($target_address_space)] ? $::spaces($target_address_space) : {}}]
    foreach {base size} $taken {
        if {$offset < $base + $size && $base < $offset + $range} { error "$segment overlaps in $target_address_space" }
    }
    lappend ::spaces($target_address_space) $offset $range
    set ::reached($target_address_space,$segment) [list $offset $range]
}
proc exclude_bd_addr_seg {args} {
    lassign [options exclude_bd_addr_seg $args {} target_address_space] found rest
    set segment [one exclude_bd_addr_seg $rest]
    set space [dict get $found target_address_space]
    record exclude_bd_addr_seg $space $segment
    if {[info exists ::reached($space,$segment)]} { error "$segment is assigned in $space" }
    set ::reached($space,$segment) excluded
}

proc validate_bd_design {} {
    record validate_bd_design
    foreach {cell name} [array get ::cells] {
        lassign $::catalogue($name) - pins buses
        foreach {pin direction} $pins {
            if {$direction eq "I" && [enabled $cell $pin] && ![info exists ::driver($cell/$pin)]} {
                error "\[BD 41-758\] $cell/$pin is not connected"
            }
        }
        foreach bus $buses {
            if {[enabled $cell $bus] && ![info exists ::linked($cell/$bus)]} { error "$cell/$bus is not connected" }
        }
    }
    foreach space {axi_dma_0/Data_MM2S axi_dma_0/Data_S2MM} {
        foreach segment [get_bd_addr_segs ps_0/*] {
            if {![info exists ::reached($space,$segment)]} {
                warn_critically "\[BD 41-1356\] Slave segment </$segment> is not assigned into address space </$space>."
            }
        }
    }
    if {[is_fault recompute]} { set ::config(axi_dma_0,c_mm2s_burst_size) 8 }
    if {[is_fault interconnect]} { set ::config(axi_memory_0,NUM_SI) 1 }
    if {[is_fault pll]} {
        # Another PLL of the same frequency.
        set ::config(ps_0,PSU__CRL_APB__IOPLL_CTRL__FBDIV) 45
        set ::config(ps_0,PSU__CRL_APB__IOPLL_CTRL__DIV2) 0
    }
}
proc save_bd_design {} { record save_bd_design }
