# The block design: PS, AXI DMA, the accelerator, and what connects them. One clock, one reset.

namespace eval amc {
    # Interconnect -> its slaves and masters.
    variable interconnects {
        axi_control_0 {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2}
        axi_memory_0  {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1}
    }

    # The accelerator's IP, described by its own component.xml.
    proc add_ip {folder} {
        upvar #0 settings settings
        set_property ip_repo_paths [list $folder] [current_project]
        update_ip_catalog -rebuild
        if {[llength [get_ipdefs -all -quiet $settings(ip_vlnv)]] != 1} {
            error "Vivado does not accept $folder/component.xml as $settings(ip_vlnv); its messages above say why"
        }
    }

    proc create_design {name} {
        upvar #0 settings settings
        variable interconnects
        create_bd_design $name
        create_ps
        create_cells
        connect_clock_and_reset
        connect_buses
        assign_addresses
        validate_bd_design
        require_settings ps_0 $settings(ps_config)
        require_settings axi_dma_0 $settings(dma_config)
        foreach {cell config} $interconnects { require_settings $cell $config }
        require_clock
        if {!$settings(preset)} { require_settings ps_0 $settings(clock_counts) }
        save_bd_design
    }

    proc create_ps {} {
        upvar #0 settings settings
        create_bd_cell -type ip -vlnv [newest_ip $settings(ps_ip)] ps_0
        set config [list apply_board_preset $settings(preset)]
        if {$settings(ps) eq "zynq7"} {
            lappend config make_external "FIXED_IO, DDR" Master Disable Slave Disable
        }
        apply_bd_automation -rule xilinx.com:bd_rule:$settings(ps_ip) -config $config [get_bd_cells ps_0]
        # After the preset, which would overwrite it.
        set_property -dict $settings(ps_config) [get_bd_cells ps_0]
        if {!$settings(preset)} {
            # First of all that divisors are the user's: others are computed, and from the PLL of no board.
            set_property -dict [list CONFIG.$settings(clock_manual) 1] [get_bd_cells ps_0]
            set_property -dict $settings(clock_config) [get_bd_cells ps_0]
        }
    }

    proc create_cells {} {
        upvar #0 settings settings
        variable interconnects
        create_bd_cell -type ip -vlnv [newest_ip axi_dma] axi_dma_0
        # What the core would derive is the user's only once that was said.
        foreach name $settings(dma_derived) {
            set_property -dict [list CONFIG.$name.VALUE_SRC USER] [get_bd_cells axi_dma_0]
        }
        set_property -dict $settings(dma_config) [get_bd_cells axi_dma_0]
        create_bd_cell -type ip -vlnv $settings(ip_vlnv) amc_0
        create_bd_cell -type ip -vlnv [newest_ip proc_sys_reset] rst_0
        foreach {cell config} $interconnects {
            create_bd_cell -type ip -vlnv [newest_ip smartconnect] $cell
            set_property -dict $config [get_bd_cells $cell]
        }
    }

    proc connect_clock_and_reset {} {
        upvar #0 settings settings
        set sinks {rst_0/slowest_sync_clk axi_control_0/aclk axi_memory_0/aclk amc_0/aclk}
        lappend sinks axi_dma_0/s_axi_lite_aclk axi_dma_0/m_axi_mm2s_aclk axi_dma_0/m_axi_s2mm_aclk
        foreach pin $settings(ps_clock_pins) { lappend sinks ps_0/$pin }
        foreach sink $sinks {
            connect_bd_net [get_bd_pins ps_0/$settings(ps_clock)] [get_bd_pins $sink]
        }
        connect_bd_net [get_bd_pins ps_0/$settings(ps_reset)] [get_bd_pins rst_0/ext_reset_in]
        foreach sink {axi_control_0/aresetn axi_memory_0/aresetn axi_dma_0/axi_resetn amc_0/aresetn} {
            connect_bd_net [get_bd_pins rst_0/peripheral_aresetn] [get_bd_pins $sink]
        }
    }

    proc connect_buses {} {
        upvar #0 settings settings
        foreach {from to} [list \
            axi_dma_0/M_AXIS_MM2S      amc_0/s_axis \
            amc_0/m_axis               axi_dma_0/S_AXIS_S2MM \
            ps_0/$settings(control_port) axi_control_0/S00_AXI \
            axi_control_0/M00_AXI      axi_dma_0/S_AXI_LITE \
            axi_control_0/M01_AXI      amc_0/s_axi \
            axi_dma_0/M_AXI_MM2S       axi_memory_0/S00_AXI \
            axi_dma_0/M_AXI_S2MM       axi_memory_0/S01_AXI \
            axi_memory_0/M00_AXI       ps_0/$settings(memory_port) \
        ] {
            connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
        }
    }

    proc assign_addresses {} {
        upvar #0 settings settings
        foreach {segment base} [list axi_dma_0/S_AXI_LITE/Reg $settings(dma_base) amc_0/s_axi/reg0 $settings(ip_base)] {
            assign_bd_address -offset $base -range $settings(window) \
                -target_address_space [get_bd_addr_spaces ps_0/Data] [get_bd_addr_segs $segment] -force
        }
        foreach space {axi_dma_0/Data_MM2S axi_dma_0/Data_S2MM} {
            set memory ps_0/$settings(memory_segments)/$settings(memory_segment)
            assign_bd_address -offset 0x00000000 -range $settings(memory_range) \
                -target_address_space [get_bd_addr_spaces $space] [get_bd_addr_segs $memory] -force
            # Whatever else the port reaches (QSPI, OCM, the upper DDR) must be excluded by name.
            foreach segment [get_bd_addr_segs -quiet ps_0/$settings(memory_segments)/*] {
                if {[string trimleft $segment /] ne $memory} {
                    exclude_bd_addr_seg -target_address_space [get_bd_addr_spaces $space] $segment
                }
            }
        }
    }
}
