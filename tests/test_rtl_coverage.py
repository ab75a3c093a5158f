"""What Verilator counted is added up over instances and runs, of hand-written files alone."""

from __future__ import annotations

from rtl_coverage import add_up, points


def _point(file: str, page: str, place: str, count: int) -> str:
    fields = {"f": file, "l": "7", "n": "3", "page": page, "o": place, "h": "bench.core"}
    return "C '" + "".join(f"\x01{name}\x02{value}" for name, value in fields.items()) + f"' {count}\n"


def test_points_are_added_up() -> None:
    first = _point("amc_pool.v", "v_line/amc_pool__pi1", "block", 4) + _point("core_matrix.v", "v_line/m", "block", 1)
    first += _point("amc_pool.v", "v_branch/amc_pool", "if", 0) + _point("amc_pool.v", "v_toggle/amc_pool", "x:0->1", 0)
    second = _point("obj/amc_pool.v", "v_toggle/amc_pool__pi2", "x:0->1", 2) + _point("amc_pool.v", "v_user/a", "u", 1)
    assert next(iter(points(first))) == ("amc_pool.v", "lines", "7:3:block", 4)
    assert add_up([first, second]) == {
        "amc_pool.v": {
            "lines": {"covered": 1, "all": 2, "missed": ["7:3:if"]},
            "toggles": {"covered": 1, "all": 1},
        }
    }
