from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from hw_amc import tools
from hw_amc.interface import registers
from hw_amc.interface.registers import GAIN_TABLE, OFFSET, REGISTERS, TABLE, table
from hw_amc.rtl.shell.register_file import emit_markdown, emit_verilog

ROOT = Path(__file__).parents[1]


def test_words_do_not_overlap_and_fit_the_address() -> None:
    taken = [register.offset + 4 * word for register in TABLE + GAIN_TABLE for word in range(register.words)]
    assert len(set(taken)) == len(taken)
    assert max(taken) < 1 << registers.ADDRESS_BITS
    assert not any(offset % 4 for offset in taken)
    assert len(REGISTERS) == len(TABLE + GAIN_TABLE)
    assert (table(False), table(True)) == (TABLE, TABLE + GAIN_TABLE)


def test_fields_do_not_overlap() -> None:
    for register in TABLE + GAIN_TABLE:
        total = 0
        for field in register.fields:
            assert not total & field.mask, (register.name, field.name)
            total |= field.mask
        assert total < 1 << 32 * register.words


def test_field_names_are_unique_in_the_verilog() -> None:
    names = [field.name for register in TABLE + GAIN_TABLE for field in register.fields]
    assert len(set(names)) == len(names)


def test_page_is_the_table() -> None:
    assert (ROOT / "docs/registers.md").read_text(encoding="utf-8") == emit_markdown()


@pytest.mark.parametrize("registers_of_it", [TABLE, TABLE + GAIN_TABLE], ids=["plain", "gain"])
def test_verilog_reads_every_word_of_the_table(registers_of_it: tuple[registers.Register, ...]) -> None:
    reads = re.findall(r"// (\w+)(, high word)?\n +6'd(\d+): s_axi_rdata <=", emit_verilog(registers_of_it))
    found = {(int(word) * 4, name) for name, _, word in reads}
    wanted = {(r.offset + 4 * word, r.name) for r in registers_of_it for word in range(r.words)}
    assert found == wanted
    assert len(reads) == len(wanted)


def test_page_names_every_offset() -> None:
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| (\w+) \|", emit_markdown(), re.MULTILINE)
    assert {(name, int(offset, 16)) for offset, name in rows} == set(OFFSET.items())


@pytest.mark.parametrize(("word", "value"), [(0x00, 0), (0x7F, 127), (0x80, -128), (0xFF, -1), (0xFFFFFF01, 1)])
def test_signed_field(word: int, value: int) -> None:
    assert REGISTERS["INPUT_SHIFT"].extract(word, "input_shift") == value


def test_field_in_the_middle() -> None:
    assert REGISTERS["MODE"].extract(0x0003_0201, "n_channels") == 2
    assert REGISTERS["MODE"].extract(0x0003_0201, "contexts") == 3


def test_unknown_field_names_the_known() -> None:
    with pytest.raises(KeyError, match="enable, reset, clear"):
        REGISTERS["CONTROL"].field("start")


def test_digest_words() -> None:
    assert registers.digest_words("0123456789abcdef" + "0" * 48) == (0x89ABCDEF, 0x01234567)


def test_importable_without_numpy() -> None:
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['filelock'] = sys.modules['pydantic'] = None; "
        "import hw_amc.interface.registers, hw_amc.interface.manifest"
    )
    tools.run([sys.executable, "-c", code], cwd=ROOT)
