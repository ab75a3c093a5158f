# The clocks of a PS block: what Vivado computes, from what, and when it leaves values alone.
#
# Without preset: Zynq-7000 33.333333 MHz x 48 = 1,600 MHz (Xilinx/PYNQ-HelloWorld at a48e7aa, boards/Pynq-Z1/resizer:
# divisors 4 and 4 for 100 MHz, where the board boots with 1,000 MHz); UltraScale+ 33.333 MHz x 60 / 2 = 1,000 MHz.
# With preset: XilinxBoardStore, boards/TUL/pynq-z2/A.0/preset.xml (50 MHz x 20); the .hwh files of PYNQ-HelloWorld
# (zcu104: 90), aproposorg/KV260-PYNQ-tutorial (kv260: 60), axdy/rfsoc_quant_amc (both RFSoC boards: 90).
# The manual mode, in which divisors and feedback stay as they are set: axdy/rfsoc_modulation_classification,
# amc_dma_rfsoc.hwh (OVERRIDE__BASIC_CLOCK 1, feedback 45, not halved, divisor 15, 100 MHz). Everywhere else it is 0, and
# the divisors are Vivado's.

set clock_names(processing_system7) {
    requested PCW_FPGA0_PERIPHERAL_FREQMHZ actual PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ
    divisor0 PCW_FCLK0_PERIPHERAL_DIVISOR0 divisor1 PCW_FCLK0_PERIPHERAL_DIVISOR1
    feedback PCW_IOPLL_CTRL_FBDIV reference PCW_CRYSTAL_PERIPHERAL_FREQMHZ manual PCW_OVERRIDE_BASIC_CLOCK halved {}
}
set clock_names(zynq_ultra_ps_e) {
    requested PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ actual PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ
    divisor0 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 divisor1 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1
    feedback PSU__CRL_APB__IOPLL_CTRL__FBDIV reference PSU__PSS_REF_CLK__FREQMHZ manual PSU__OVERRIDE__BASIC_CLOCK
    halved PSU__CRL_APB__IOPLL_CTRL__DIV2
}
# Board files -> reference and feedback of their preset.
set presets {
    tul.com.tw:pynq-z2 {50 20} www.digilentinc.com:pynq-z1 {50 20} xilinx.com:zcu104 {33.333 90}
    xilinx.com:kv260_som {33.333 60} xilinx.com:kv260 {33.333 60} xilinx.com:rfsoc2x2 {33.333 90}
    realdigital.org:rfsoc4x2 {33.333333 90}
}

proc is_ps {cell} { return [info exists ::clock_names($::cells($cell))] }

# What the preset of the project's board part sets.
proc apply_preset {cell} {
    set board [join [lrange [split $::board_part :] 0 1] :]
    if {![dict exists $::presets $board]} { error "no preset is known for the board part '$::board_part'" }
    set names $::clock_names($::cells($cell))
    lassign [dict get $::presets $board] reference feedback
    set ::config($cell,[dict get $names reference]) $reference
    set ::config($cell,[dict get $names feedback]) $feedback
    set ::preset_of($cell) $feedback
}

# After every change: the clock that Vivado makes of the settings.
proc compute_clock {cell} {
    set kind $::cells($cell)
    set names $::clock_names($kind)
    foreach key {requested divisor0 divisor1 feedback reference manual} {
        set $key $::config($cell,[dict get $names $key])
    }
    if {!$manual} {
        # A feedback that was set is forgotten: the PLL follows from what the peripherals of the preset need.
        set feedback [expr {[info exists ::preset_of($cell)] ? $::preset_of($cell)
            : [lindex [dict get $::settings_of($kind) [dict get $names feedback]] 0]}]
        set ::config($cell,[dict get $names feedback]) $feedback
    }
    set pll [expr {double($reference) * $feedback}]
    if {[dict get $names halved] ne "" && $::config($cell,[dict get $names halved])} { set pll [expr {$pll / 2}] }
    if {!$manual} {
        lassign [nearest_divisors [expr {$pll / $requested}]] divisor0 divisor1
        set ::config($cell,[dict get $names divisor0]) $divisor0
        set ::config($cell,[dict get $names divisor1]) $divisor1
    }
    set ::config($cell,[dict get $names actual]) [format %.6f [expr {$pll / ($divisor0 * $divisor1)}]]
}

proc nearest_divisors {ratio} {
    set best {1 1}
    for {set second 1} {$second < 64} {incr second} {
        for {set first 1} {$first < 64} {incr first} {
            if {abs($first * $second - $ratio) < abs([lindex $best 0] * [lindex $best 1] - $ratio)} {
                set best [list $first $second]
            }
        }
    }
    return $best
}
