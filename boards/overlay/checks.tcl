# What Vivado made of the settings: each is read back, and the clock once more as the board will have it.

namespace eval amc {
    # Share by which a clock may differ from the one asked for; the driver's own.
    variable tolerance 0.005

    proc same {found wanted} {
        if {[string is double -strict $found] && [string is double -strict $wanted]} { return [expr {$found == $wanted}] }
        return [string equal $found $wanted]
    }

    # Property by property; an IP may compute a setting anew, or keep its default, without a word.
    proc require_settings {cell config} {
        set wrong {}
        foreach {name wanted} $config {
            set found [get_property $name [get_bd_cells $cell]]
            if {![same $found $wanted]} { lappend wrong "$name is $found, not $wanted" }
        }
        if {[llength $wrong]} { error "Vivado did not take the settings of $cell: [join $wrong {; }][without_board_files]" }
    }

    # Two clocks must be the one asked for: that of Vivado's timing, and that of a board on which PYNQ writes the
    # divisors of the .hwh, under the PLL with which the board has booted.
    proc require_clock {} {
        upvar #0 settings settings
        variable tolerance
        set ps [get_bd_cells ps_0]
        set source [get_property CONFIG.$settings(clock_source) $ps]
        if {$source ne $settings(clock_io_pll)} {
            error "Vivado takes the clock from $source, not from $settings(clock_io_pll)"
        }
        set divisor 1
        foreach name $settings(clock_divisors) { set divisor [expr {$divisor * [get_property CONFIG.$name $ps]}] }
        set actual [get_property CONFIG.$settings(clock_actual) $ps]
        set booted [expr {double($settings(pll_mhz)) / $divisor}]
        foreach mhz [list $actual $booted] {
            if {abs($mhz - $settings(clock_mhz)) > $tolerance * $settings(clock_mhz)} {
                error "the clock is $actual MHz for Vivado and [format %.6g $booted] MHz on the board (its PLL of\
                    $settings(pll_mhz) MHz over $divisor), not $settings(clock_mhz) MHz[without_board_files]"
            }
        }
    }

    # The usual reason, and its mend.
    proc without_board_files {} {
        upvar #0 settings settings
        if {$settings(preset) || ![llength $settings(board_parts)]} { return "" }
        return "; install the board files of [lindex $settings(board_parts) 0], or name their folder in\
            HW_AMC_BOARD_FILES (docs/guides/board.md, step 3)"
    }
}
