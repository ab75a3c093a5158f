"""Hardware handoff (.hwh) of a `Design`, in the form that pynqmetadata reads from Vivado.

Vivado writes the real file when it builds the block design; this one stands in for it in simulation, with the same
instances, addresses, parameters and stream connections. The element names and the parameters that PYNQ looks at are
those of `pynqmetadata/frontends/hwh_frontend.py` and `pynq/lib/dma.py`.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hw_amc.parts import family_with
from hw_amc.sim_device import design as layout
from hw_amc.sim_device.design import Design, Register
from hw_amc.sim_device.ps import pll_feedback

AXIMM, AXIS = "xilinx.com:interface:aximm:1.0", "xilinx.com:interface:axis:1.0"
PS_VLNV = {"zynq7": "xilinx.com:ip:processing_system7:5.5", "zynqmp": "xilinx.com:ip:zynq_ultra_ps_e:3.3"}
#: Bytes of the DMA's register block, whatever window it gets.
DMA_BLOCK = 4096
#: The DMA's stream interfaces and the prefix of their pins.
DMA_STREAMS = (("M_AXIS_MM2S", "INITIATOR", "m_axis_mm2s"), ("S_AXIS_S2MM", "TARGET", "s_axis_s2mm"))
STREAM_SIGNALS = (("TDATA", 32), ("TVALID", 1), ("TREADY", 1), ("TLAST", 1))

#: Pins that share a net, as (instance, port).
Nets = dict[str, list[tuple[str, str]]]


def emit_hwh(design: Design) -> str:
    """Write the handoff file of a block design.

    Parameters
    ----------
    design : Design

    Returns
    -------
    str
        XML text; PYNQ wants it beside the bitstream, with the same stem.

    Raises
    ------
    ConfigError
        The clock cannot be divided from the PLL.
    """
    root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="2022.1")
    SubElement(root, "SYSTEMINFO", _system_info(design))
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    for module in (_ps(design), _reset(design), *_interconnects(design), _dma(design), _ip(design)):
        modules.append(module)
    _connect(modules, _nets(design))
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n' + tostring(root, encoding="unicode") + "\n"


def dma_settings(design: Design) -> dict[str, str]:
    """Choose the AXI DMA: direct mode, no realignment, 32-bit streams, as wide as the PS port towards memory."""
    width, burst = str(design.memory_bits), str(design.burst_beats)
    return {
        "c_include_sg": "0",
        "c_micro_dma": "0",
        "c_sg_length_width": str(design.length_bits),
        "c_addr_width": "32",
        "c_include_mm2s": "1",
        "c_include_s2mm": "1",
        "c_include_mm2s_dre": "0",
        "c_include_s2mm_dre": "0",
        "c_m_axi_mm2s_data_width": width,
        "c_m_axi_s2mm_data_width": width,
        "c_m_axis_mm2s_tdata_width": "32",
        "c_mm2s_burst_size": burst,
        "c_s2mm_burst_size": burst,
    }


def _ps(design: Design) -> Element:
    module = _module(layout.PS_INSTANCE, PS_VLNV[design.ps], is_pl=False)
    _parameters(module, {name: str(value) for name, value in _ps_settings(design).items()})
    ports = SubElement(module, "PORTS")
    _port(ports, family_with(design.ps).ps_clock, "O", sigis="clk")
    _port(ports, family_with(design.ps).ps_reset, "O", sigis="rst")
    buses = SubElement(module, "BUSINTERFACES")
    _bus(buses, design.control_port, "MASTER", AXIMM, f"{layout.PS_INSTANCE}_control")
    _bus(buses, design.memory_port, "SLAVE", AXIMM, f"{layout.MEMORY_INSTANCE}_M00_AXI")
    ranges = SubElement(module, "MEMORYMAP")
    for instance, bus, base in (
        (layout.DMA_INSTANCE, "S_AXI_LITE", design.dma_base),
        (design.ip.instance, design.ip.s_axi, design.ip_base),
    ):
        SubElement(
            ranges,
            "MEMRANGE",
            ADDRESSBLOCK="reg0" if bus != "S_AXI_LITE" else "Reg",
            BASENAME="C_BASEADDR",
            BASEVALUE=f"0x{base:08X}",
            HIGHNAME="C_HIGHADDR",
            HIGHVALUE=f"0x{base + design.window - 1:08X}",
            INSTANCE=instance,
            IS_DATA="TRUE",
            IS_INSTRUCTION="TRUE",
            MASTERBUSINTERFACE=design.control_port,
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=bus,
        )
    return module


def _ps_settings(design: Design) -> dict[str, int | str]:
    """Clocks and port widths, under the names that PYNQ looks for."""
    zynq7 = design.ps == "zynq7"
    clock = "PCW_FCLK{}_PERIPHERAL_" if zynq7 else "PSU__CRL_APB__PL{}_REF_CTRL__"
    enable = "PCW_FPGA_FCLK{}_ENABLE" if zynq7 else "PSU__FPGA_PL{}_ENABLE"
    names = family_with(design.ps).clock
    settings: dict[str, int | str] = {}
    for i in range(4):
        settings[enable.format(i)] = int(i == 0)
        for j in range(2):
            settings[f"{clock.format(i)}DIVISOR{j}"] = design.divisors[j] if i == 0 else 1
        settings[f"{clock.format(i)}{'CLKSRC' if zynq7 else 'SRCSEL'}"] = names.io_pll
    settings |= {
        names.reference: f"{names.reference_mhz:g}",
        names.requested: f"{design.clock_mhz:g}",
        names.actual: f"{design.clock_mhz:.6f}",
        names.feedback: pll_feedback(design.ps, design.pl_source_mhz),
        names.manual: 0,
    }
    if not zynq7:
        settings |= {names.halved: 1, "C_MAXIGP0_DATA_WIDTH": 32, "C_SAXIGP2_DATA_WIDTH": design.memory_bits}
    return settings


def _reset(design: Design) -> Element:
    module = _module(layout.RESET_INSTANCE, "xilinx.com:ip:proc_sys_reset:5.0")
    ports = SubElement(module, "PORTS")
    _port(ports, "slowest_sync_clk", "I", sigis="clk")
    _port(ports, "ext_reset_in", "I", sigis="rst")
    _port(ports, "peripheral_aresetn", "O", sigis="rst")
    SubElement(module, "BUSINTERFACES")
    return module


def _interconnects(design: Design) -> list[Element]:
    control = _interconnect(layout.CONTROL_INSTANCE, 1, 2)
    buses = control.find("BUSINTERFACES")
    assert buses is not None
    _bus(buses, "S00_AXI", "SLAVE", AXIMM, f"{layout.PS_INSTANCE}_control")
    _bus(buses, "M00_AXI", "MASTER", AXIMM, f"{layout.CONTROL_INSTANCE}_M00_AXI")
    _bus(buses, "M01_AXI", "MASTER", AXIMM, f"{layout.CONTROL_INSTANCE}_M01_AXI")
    memory = _interconnect(layout.MEMORY_INSTANCE, 2, 1)
    buses = memory.find("BUSINTERFACES")
    assert buses is not None
    _bus(buses, "S00_AXI", "SLAVE", AXIMM, f"{layout.DMA_INSTANCE}_M_AXI_MM2S")
    _bus(buses, "S01_AXI", "SLAVE", AXIMM, f"{layout.DMA_INSTANCE}_M_AXI_S2MM")
    _bus(buses, "M00_AXI", "MASTER", AXIMM, f"{layout.MEMORY_INSTANCE}_M00_AXI")
    return [control, memory]


def _interconnect(instance: str, slaves: int, masters: int) -> Element:
    module = _module(instance, "xilinx.com:ip:smartconnect:1.0", "BUS")
    _parameters(module, {"NUM_SI": str(slaves), "NUM_MI": str(masters)})
    ports = SubElement(module, "PORTS")
    _port(ports, "aclk", "I", sigis="clk")
    _port(ports, "aresetn", "I", sigis="rst")
    SubElement(module, "BUSINTERFACES")
    return module


def _dma(design: Design) -> Element:
    module = _module(layout.DMA_INSTANCE, "xilinx.com:ip:axi_dma:7.1")
    _registers(module, "S_AXI_LITE", "Reg", DMA_BLOCK, layout.DMA_REGISTERS)
    # Vivado derives this one from what is connected.
    settings = {**dma_settings(design), "c_s_axis_s2mm_tdata_width": "32"}
    # The core's own parameters come first, then the catalogue's; all but the address width have one name in two cases.
    own = {name.upper(): value for name, value in settings.items() if name not in ("c_addr_width", "c_micro_dma")}
    _parameters(module, {**own, "C_M_AXI_MM2S_ADDR_WIDTH": "32", "C_M_AXI_S2MM_ADDR_WIDTH": "32", **settings})
    ports = SubElement(module, "PORTS")
    for clock in ("s_axi_lite_aclk", "m_axi_mm2s_aclk", "m_axi_s2mm_aclk"):
        _port(ports, clock, "I", sigis="clk")
    _port(ports, "axi_resetn", "I", sigis="rst")
    buses = SubElement(module, "BUSINTERFACES")
    for name, kind, prefix in DMA_STREAMS:
        _stream(ports, buses, name, kind, prefix)
    _bus(buses, "S_AXI_LITE", "SLAVE", AXIMM, f"{layout.CONTROL_INSTANCE}_M00_AXI")
    _bus(buses, "M_AXI_MM2S", "MASTER", AXIMM, f"{layout.DMA_INSTANCE}_M_AXI_MM2S")
    _bus(buses, "M_AXI_S2MM", "MASTER", AXIMM, f"{layout.DMA_INSTANCE}_M_AXI_S2MM")
    return module


def _ip(design: Design) -> Element:
    ip = design.ip
    module = _module(ip.instance, ip.vlnv)
    _registers(module, ip.s_axi, "reg0", design.window, ip.registers)
    _parameters(module, {})
    ports = SubElement(module, "PORTS")
    _port(ports, ip.clock, "I", sigis="clk")
    _port(ports, ip.reset, "I", sigis="rst")
    buses = SubElement(module, "BUSINTERFACES")
    _stream(ports, buses, ip.s_axis, "TARGET", ip.s_axis)
    _stream(ports, buses, ip.m_axis, "INITIATOR", ip.m_axis)
    _bus(buses, ip.s_axi, "SLAVE", AXIMM, f"{layout.CONTROL_INSTANCE}_M01_AXI")
    return module


def _nets(design: Design) -> Nets:
    """Clock, reset and the two streams, pin by pin; the driver comes first."""
    ip, dma = design.ip, layout.DMA_INSTANCE
    interconnects = (layout.CONTROL_INSTANCE, layout.MEMORY_INSTANCE)
    nets: Nets = {
        "clock": [
            (layout.PS_INSTANCE, family_with(design.ps).ps_clock),
            (layout.RESET_INSTANCE, "slowest_sync_clk"),
            *((name, "aclk") for name in interconnects),
            *((dma, pin) for pin in ("s_axi_lite_aclk", "m_axi_mm2s_aclk", "m_axi_s2mm_aclk")),
            (ip.instance, ip.clock),
        ],
        "ps_reset": [(layout.PS_INSTANCE, family_with(design.ps).ps_reset), (layout.RESET_INSTANCE, "ext_reset_in")],
        "reset": [
            (layout.RESET_INSTANCE, "peripheral_aresetn"),
            *((name, "aresetn") for name in interconnects),
            (dma, "axi_resetn"),
            (ip.instance, ip.reset),
        ],
    }
    for signal, _ in STREAM_SIGNALS:
        name = signal.lower()
        nets[f"to_ip_{name}"] = [(dma, f"m_axis_mm2s_{name}"), (ip.instance, f"{ip.s_axis}_{name}")]
        nets[f"from_ip_{name}"] = [(ip.instance, f"{ip.m_axis}_{name}"), (dma, f"s_axis_s2mm_{name}")]
    return nets


def _connect(modules: Element, nets: Nets) -> None:
    pins = {
        (module.get("INSTANCE"), port.get("NAME")): port for module in modules for port in module.findall("PORTS/PORT")
    }
    for name, (driver, *sinks) in nets.items():
        for end in (driver, *sinks):
            pins[end].set("SIGNAME", name)
            connections = SubElement(pins[end], "CONNECTIONS")
            # A driver lists its sinks, a sink its driver: pynqmetadata refuses two sinks that name each other.
            for instance, port in sinks if end == driver else [driver]:
                SubElement(connections, "CONNECTION", INSTANCE=instance, PORT=port)


def _module(instance: str, vlnv: str, use: str = "PERIPHERAL", is_pl: bool = True) -> Element:
    kind, version = vlnv.split(":")[2:]
    module = Element(
        "MODULE",
        COREREVISION="1",
        FULLNAME=f"/{instance}",
        HWVERSION=version,
        INSTANCE=instance,
        IPTYPE=use,
        IS_ENABLE="1",
        MODCLASS=use,
        MODTYPE=kind,
        VLNV=vlnv,
    )
    if not is_pl:
        # Vivado says it of the PS, and nothing of the others.
        module.set("IS_PL", "FALSE")
    return module


def _parameters(module: Element, values: dict[str, str]) -> None:
    block = SubElement(module, "PARAMETERS")
    for name, value in values.items():
        SubElement(block, "PARAMETER", NAME=name, VALUE=value)


def _port(ports: Element, name: str, direction: str, width: int = 1, sigis: str = "undef") -> None:
    port = SubElement(ports, "PORT", DIR=direction, NAME=name, SIGIS=sigis)
    if width > 1:
        port.set("LEFT", str(width - 1))
        port.set("RIGHT", "0")


def _bus(buses: Element, name: str, kind: str, vlnv: str, net: str) -> Element:
    return SubElement(buses, "BUSINTERFACE", BUSNAME=net, DATAWIDTH="32", NAME=name, TYPE=kind, VLNV=vlnv)


def _stream(ports: Element, buses: Element, name: str, kind: str, prefix: str) -> None:
    bus = _bus(buses, name, kind, AXIS, f"{prefix}_stream")
    portmaps = SubElement(bus, "PORTMAPS")
    for signal, width in STREAM_SIGNALS:
        pin = f"{prefix}_{signal.lower()}"
        drives = (kind == "INITIATOR") != (signal == "TREADY")
        _port(ports, pin, "O" if drives else "I", width)
        SubElement(portmaps, "PORTMAP", LOGICAL=signal, PHYSICAL=pin)


def _registers(module: Element, bus: str, block: str, size: int, registers: tuple[Register, ...]) -> None:
    blocks = SubElement(module, "ADDRESSBLOCKS")
    element = SubElement(
        blocks, "ADDRESSBLOCK", ACCESS="", INTERFACE=bus, NAME=block, RANGE=str(size), USAGE="register"
    )
    listing = SubElement(element, "REGISTERS")
    for register in registers:
        entry = SubElement(listing, "REGISTER", NAME=register.name)
        for name, value in (
            ("DESCRIPTION", register.description),
            ("ADDRESS_OFFSET", f"0x{register.offset:X}"),
            ("SIZE", "32"),
            ("ACCESS", register.access),
            ("IS_ENABLED", "true"),
            ("RESET_VALUE", "0x0"),
        ):
            SubElement(entry, "PROPERTY", NAME=name, VALUE=value)
        fields = SubElement(entry, "FIELDS")
        for part in register.parts:
            field = SubElement(fields, "FIELD", NAME=part.name)
            for name, value in (
                ("DESCRIPTION", part.description),
                ("BIT_OFFSET", str(part.lsb)),
                ("BIT_WIDTH", str(part.bits)),
                ("ACCESS", part.access),
            ):
                SubElement(field, "PROPERTY", NAME=name, VALUE=value)


def _system_info(design: Design) -> dict[str, str]:
    """What a .hwh says of the part: Vivado drops the xc of a Zynq-7000 device, and knows RFSoC as an architecture."""
    device, package, speed = _split_part(design.part)
    arch = "zynq" if design.ps == "zynq7" else "zynquplusRFSOC" if device.endswith("dr") else "zynquplus"
    board = {"BOARD": design.board_part} if design.board_part else {}
    return {
        "ARCH": arch,
        **board,
        "DEVICE": device.removeprefix("xc") if design.ps == "zynq7" else device,
        "NAME": design.name,
        "PACKAGE": package,
        "SPEEDGRADE": f"-{speed}",
    }


def _split_part(part: str) -> tuple[str, str, str]:
    """Return device, package and speed grade: xczu7ev, ffvc1156 and 2 of xczu7ev-ffvc1156-2-e."""
    head, *rest = part.split("-")
    if len(rest) > 1:
        return head, rest[0], rest[1]
    speed = rest[0] if rest else ""
    for package in ("clg", "fbg", "ffg", "sbg"):
        device, found, pins = head.partition(package)
        if found:
            return device, package + pins, speed
    return head, "", speed
