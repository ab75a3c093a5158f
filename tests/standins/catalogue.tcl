# What Vivado's catalogue knows of the IPs that the overlay uses: pins, interfaces, and settings with their defaults and
# the values that they take. Read in .hwh files of public repositories (docs/verification.md lists them); segments of the
# memory port in Xilinx/PYNQ, boards/ZCU104/base/base.tcl, and in scripts that exclude them.
# A setting that does not stand here is refused: as in Vivado, [Common 17-54].

# Name -> version, pins (name direction), interface pins, segments (slave interface -> segments).
set catalogue(axi_dma) {7.1 {
    s_axi_lite_aclk I m_axi_mm2s_aclk I m_axi_s2mm_aclk I axi_resetn I mm2s_introut O s2mm_introut O
} {S_AXI_LITE M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S S_AXIS_S2MM} {S_AXI_LITE/Reg}}
set catalogue(proc_sys_reset) {5.0 {
    slowest_sync_clk I ext_reset_in I aux_reset_in i mb_debug_sys_rst i dcm_locked i
    mb_reset O bus_struct_reset O peripheral_reset O interconnect_aresetn O peripheral_aresetn O
} {} {}}
set catalogue(smartconnect) {1.0 {aclk I aresetn I} {S00_AXI S01_AXI M00_AXI M01_AXI} {}}
set catalogue(processing_system7) {5.5 {
    FCLK_CLK0 O FCLK_RESET0_N O M_AXI_GP0_ACLK I S_AXI_HP0_ACLK I
} {M_AXI_GP0 S_AXI_HP0} {S_AXI_HP0/HP0_DDR_LOWOCM}}
set catalogue(zynq_ultra_ps_e) {3.4 {
    pl_clk0 O pl_resetn0 O maxihpm0_fpd_aclk I saxihp0_fpd_aclk I
} {M_AXI_HPM0_FPD S_AXI_HP0_FPD} {SAXIGP2/HP0_DDR_LOW SAXIGP2/HP0_DDR_HIGH SAXIGP2/HP0_LPS_OCM SAXIGP2/HP0_QSPI}}
# 3.3 up to 2020.2.2 and 3.4 in 2022.1, in the .hwh files above; in between it is taken to have changed with 2021.2. The
# scripts ask for the newest that there is.
if {$release < 20212} { lset catalogue(zynq_ultra_ps_e) 0 3.3 }

# IP -> setting -> default and the values that it takes: a list, or "any".
set settings_of(axi_dma) {
    c_include_sg {1 {0 1}}               c_micro_dma {0 {0 1}}
    c_sg_length_width {14 {8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26}}
    c_addr_width {32 any}                c_include_mm2s {1 {0 1}}
    c_include_s2mm {1 {0 1}}             c_include_mm2s_dre {0 {0 1}}
    c_include_s2mm_dre {0 {0 1}}         c_m_axi_mm2s_data_width {32 {32 64 128 256 512 1024}}
    c_m_axi_s2mm_data_width {32 {32 64 128 256 512 1024}}
    c_m_axis_mm2s_tdata_width {32 {8 16 32 64 128 256 512 1024}}
    c_s_axis_s2mm_tdata_width {32 {8 16 32 64 128 256 512 1024}}
    c_mm2s_burst_size {16 {2 4 8 16 32 64 128 256}}
    c_s2mm_burst_size {16 {2 4 8 16 32 64 128 256}}
}
set settings_of(proc_sys_reset) {}
set settings_of(smartconnect) {NUM_SI {1 {1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16}}
    NUM_MI {1 {1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16}}}
set settings_of(processing_system7) {
    PCW_FPGA0_PERIPHERAL_FREQMHZ {50 any}            PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ {50.000000 any}
    PCW_FCLK0_PERIPHERAL_CLKSRC {{IO PLL} {{IO PLL} {ARM PLL} {DDR PLL}}}
    PCW_FCLK0_PERIPHERAL_DIVISOR0 {8 any}            PCW_FCLK0_PERIPHERAL_DIVISOR1 {4 any}
    PCW_CRYSTAL_PERIPHERAL_FREQMHZ {33.333333 any}   PCW_IOPLL_CTRL_FBDIV {48 any}
    PCW_OVERRIDE_BASIC_CLOCK {0 {0 1}}               PCW_EN_CLK0_PORT {1 {0 1}}
    PCW_EN_RST0_PORT {1 {0 1}}                       PCW_USE_M_AXI_GP0 {1 {0 1}}
    PCW_USE_S_AXI_HP0 {0 {0 1}}                      PCW_S_AXI_HP0_DATA_WIDTH {64 {32 64}}
}
# The source is RPLL where nobody says otherwise (pull request 1607 of Xilinx/PYNQ).
set settings_of(zynq_ultra_ps_e) {
    PSU__FPGA_PL0_ENABLE {1 {0 1}}
    PSU__CRL_APB__PL0_REF_CTRL__SRCSEL {RPLL {IOPLL RPLL DPLL}}
    PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {100 any}    PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ {100.000000 any}
    PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 {10 any}    PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1 {1 any}
    PSU__CRL_APB__IOPLL_CTRL__FBDIV {60 any}         PSU__CRL_APB__IOPLL_CTRL__DIV2 {1 {0 1}}
    PSU__PSS_REF_CLK__FREQMHZ {33.333 any}           PSU__OVERRIDE__BASIC_CLOCK {0 {0 1}}
    PSU__USE__M_AXI_GP0 {1 {0 1}}                    PSU__USE__M_AXI_GP1 {1 {0 1}}
    PSU__USE__M_AXI_GP2 {0 {0 1}}                    PSU__MAXIGP0__DATA_WIDTH {128 {32 64 128}}
    PSU__USE__S_AXI_GP2 {0 {0 1}}                    PSU__SAXIGP2__DATA_WIDTH {128 {32 64 128}}
}

# Settings that an IP derives from its surroundings: a value that is set stays only after VALUE_SRC USER.
# fastmachinelearning/hls4ml, hls4ml/templates/vivado_accelerator/zcu102/tcl_scripts/axi_stream_design.tcl sets it first;
# axdy/rfsoc_quant_amc, boards/RFSoC4x2: 32 bits on S2MM beside 128 on the PS port.
set derived(axi_dma) {c_m_axi_s2mm_data_width c_s_axis_s2mm_tdata_width}

# A PS port and its clock exist once they are enabled.
set gates {
    M_AXI_GP0 PCW_USE_M_AXI_GP0 M_AXI_GP0_ACLK PCW_USE_M_AXI_GP0
    S_AXI_HP0 PCW_USE_S_AXI_HP0 S_AXI_HP0_ACLK PCW_USE_S_AXI_HP0
    M_AXI_HPM0_FPD PSU__USE__M_AXI_GP0 maxihpm0_fpd_aclk PSU__USE__M_AXI_GP0
    S_AXI_HP0_FPD PSU__USE__S_AXI_GP2 saxihp0_fpd_aclk PSU__USE__S_AXI_GP2
}

# Parts and the release from which Vivado has them. K26: XilinxBoardStore has no board with it in branch 2020.1 and
# 2020.2.1, and one in 2020.2.2. The xczu48dr was seen from 2020.2.2 on, and is taken to be there before.
set parts {
    xc7z020clg400-1 2020.1 xczu7ev-ffvc1156-2-e 2020.1 xczu28dr-ffvg1517-2-e 2020.1 xczu48dr-ffvg1517-2-e 2020.1
    xck26-sfvc784-2LV-c 2020.2.2
}
