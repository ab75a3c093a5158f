"""Which tests a changed file meets (tests/mutate.py): few, and first those that ought to fail.

Lint is left out: it would notice a width, not what comes of it.
"""

from __future__ import annotations

import fnmatch


def _of(file: str, *names: str) -> tuple[str, ...]:
    """All tests of a file, or those of some names."""
    path = f"tests/test_{file}.py"
    return tuple(f"{path}::{name}" for name in names) or (path,)


def _kernel(*networks: str) -> tuple[str, ...]:
    """Small networks of the HLS core, by the names of tests/hls_networks.py: their integers, then their hardware."""
    tests = "test_every_integer_of_every_layer_is_goldens[{}]", "test_multipliers_are_shared[{}]"
    names = [test.format(name) for test in tests for name in networks]
    return _of("hls_layers", *names, *(f"test_the_ir_is_the_planned_hardware[{name}-clang++]" for name in networks))


def _stream(*cases: str) -> tuple[str, ...]:
    """Cores of tests/test_rtl_streams.py, by network and number: those named, then all."""
    name = "test_streams_equal_golden"
    names = [case.replace("-", "-settings") + "-traffic" + case.partition("-")[2] for case in cases]
    return _of("rtl_streams", *(f"{name}[{each}]" for each in names), name)


def group_of(path: str) -> str:
    """Kind of a file."""
    return next(name for name, pattern in GROUPS.items() if fnmatch.fnmatch(path, pattern))


_GOLDEN = _of("graph_ops") + _of("golden_bounds") + _of("golden")

_COSTS = _of("rtl_costs")
#: Cores that take a fraction of a second.
_ENDS = _of(
    "rtl_extremes",
    "test_a_gru_at_its_ends",
    "test_sums_at_their_ends",
    "test_outputs_behind_the_last_sample_are_exact",
    "test_an_affine_of_either_sign",
)
_SHORT = _of("rtl_control", "test_short_frames_and_a_sink_that_hardly_takes", "test_an_lstm_whose_source_hardly_gives")
_ODD = _of("rtl_input", "test_one_class_one_cell", "test_rows_and_columns_of_zeros")
_CORE = _ODD + _of(
    "rtl_core",
    "test_several_cycles_a_step",
    "test_fewer_channels_than_contexts",
    "test_layers_with_cycles_of_their_own",
    "test_reset_in_mid_frame",
    "test_cycles_are_predicted",
)
_CORE_MODEL = _of("rtl_core", "test_blocks_model_the_layers", "test_impossible_settings_list_the_legal_ones")
_CONTROL = _of("rtl_control")
_RESETS = _of("rtl_control", "test_resets_of_streams")
_LAYERS = _of("rtl_layers")
_BRANCHES = _of("rtl_branches", "test_branches_equal_golden") + _of("rtl_branches")
_ONE_ELEMENT = _of("rtl_streams", "test_a_head_of_one_element_gives_a_logit_a_cycle")
_STREAMS = _of("rtl_streams", "test_blocks_model_the_stream", "test_streams_equal_golden")
_MODELS = _of(
    "rtl_streams",
    "test_sums_of_successive_vectors",
    "test_a_stream_has_the_graphs_integers",
    "test_a_frame_from_its_end_keeps_what_stands_outside",
    "test_hidden_layers_behind_a_vector_are_a_program_where_no_loop_is",
    "test_blocks_model_the_stream",
)
_MATRIX = _of("rtl_matrix", "test_three_terms_of_every_sign_and_shift", "test_serial") + _of("rtl_matrix")
_PROOFS = _of("rtl_proofs", "test_sums_of_three_terms", "test_digit_serial_sums")
_LSTM = _of("rtl_lstm")
_IMAGE_MODEL = _of("rtl_conv2d", "test_blocks_model_images")
_IMAGES = _of("rtl_conv2d", "test_images_equal_golden")
_PROVED = _of("rtl_properties", "test_properties_are_proved")
_FAST = _of(
    "shell_fast",
    "test_identity_is_the_manifests",
    "test_counters",
    "test_misplaced_tlast",
    "test_cycles_are_as_predicted",
)
_CYCLES = _of("shell_fast", "test_cycles_are_as_predicted")

_NATIVE = _of("hls_csim", "test_native_equals_golden_on_adversarial_weights")
_OTHERS = _of("hls_csim", "test_the_other_layers_are_exact_too")
_BOTH = _of("hls_csim", "test_both_builds_equal_golden_in_every_layer")
_TOOLS = _of("hls_branches", "test_joins_and_heads_equal_golden_in_every_layer")
_FIRMWARE = _of("hls_layers", "test_every_integer_of_every_layer_is_goldens", "test_multipliers_are_shared")
_ESTIMATES = _of("hls_layers", "test_estimates_by_hand", "test_the_estimate_prices_every_layer")
_PIECES, _PRICES = _of("hls_pieces"), _of("hls_costs")
_FORMS = _of(
    "hls_layers",
    "test_windows_end_where_their_last_element_is",
    "test_a_long_line_of_an_image_lies_in_a_memory",
    "test_what_would_be_no_hardware_is_refused_by_name",
    "test_a_reuse_factor_means_something_or_is_refused",
    "test_a_gate_of_the_whole_frame_keeps_the_frame",
)
_DEPTHS = _of(
    "hls_branches",
    "test_depths_by_hand",
    "test_a_frame_bounds_what_can_wait",
    "test_fifos_of_the_declared_depths_never_stop",
)

Row = tuple[str, tuple[str, ...]]


def _rows(folder: str, names: str, tests: tuple[str, ...]) -> tuple[Row, ...]:
    """Rows of files that meet the same tests."""
    return tuple((f"hw_amc/{folder}/{name}", tests) for name in names.split())


_OF_GRAPH = (
    *_rows("graph", "fixed.py", _of("fixed") + _of("graph_ops")),
    *_rows("graph/ops", "lstm.py", _of("golden_bounds") + _of("graph_ops") + _LSTM),
    *_rows("graph/ops", "windows.py", _of("graph_ops") + _FORMS),
    *_rows("graph/ops", "*.py", _GOLDEN),
    *_rows("graph", "golden.py", _GOLDEN),
)
_OF_BLOCKS = (
    *_rows("rtl/blocks", "amc_sum3*.v amc_digit_add*.v amc_*_add.v amc_carry.v", _MATRIX + _PROOFS),
    *_rows("rtl/blocks", "amc_*serialise.v", _MATRIX + _ODD),
    *_rows("rtl/blocks", "amc_lstm*.v", _LSTM + _CONTROL),
    *_rows("rtl/blocks", "amc_dense.v", _ONE_ELEMENT + _stream("selu-15", "rows-14")[:2] + _IMAGES + _STREAMS),
    *_rows("rtl/blocks", "amc_window.v amc_maximum.v", _IMAGES + _STREAMS),
    *_rows("rtl/blocks", "amc_add.v", _BRANCHES),
    *_rows("rtl/blocks", "amc_pool.v", _of("rtl_branches", "test_windows_and_frames_of_one_sample") + _LAYERS),
    *_rows("rtl/blocks", "amc_affine.v", _of("rtl_extremes", "test_an_affine_of_either_sign") + _CORE + _LAYERS),
    *_rows("rtl/blocks", "amc_lanes.v", _of("shell_lanes", "test_lanes_work_side_by_side")),
    *_rows("rtl/blocks", "amc_channels.v amc_frames.v amc_results.v", _SHORT + _CORE + _CONTROL),
    *_rows("rtl/blocks", "amc_conv_state.v", _ENDS + _SHORT + _CORE + _CONTROL + _LAYERS),
    *_rows("rtl/blocks", "amc_align.v amc_multiply.v", _stream("branches-2")),
    *_rows("rtl/blocks", "amc_choose.v amc_taps.v", _of("rtl_blocks") + _stream("wide-7", "over_time-4")),
    *_rows("rtl/blocks", "amc_curve.v amc_gru_before.v", _stream("gates-13")),
    *_rows("rtl/blocks", "amc_repeat.v amc_table.v", _stream("selu-15", "branches-2")),
    *_rows("rtl/blocks", "amc_retime.v", _of("rtl_blocks") + _CORE),
    *_rows("rtl/blocks", "amc_reverse.v", _stream("shapes-8") + _RESETS),
    *_rows("rtl/blocks", "amc_round_saturate.v", _of("rtl_properties", "test_rounding_equals_arithmetic") + _CORE),
    *_rows("rtl/blocks", "amc_*.v", _ENDS + _SHORT + _CORE + _LAYERS + _CONTROL),
)
_OF_SHELL = (
    *_rows("rtl/shell", "amc_shell_gain.v amc_shell_store.v", _of("shell_gain")),
    *_rows("interface", "gain.py", _of("gain")),
    *_rows("rtl/shell", "amc_shell.v", _FAST + _of("shell_fast")),
    *_rows("rtl/shell", "amc_*.v", _PROVED + _FAST),
    *_rows("rtl/shell", "lanes.py", _of("shell_lanes")),
    *_rows("rtl/shell", "accelerator.py", _of("shell") + _of("rtl_rates") + _of("shell_lanes") + _FAST),
    *_rows("rtl/shell", "register_file.py", _of("registers") + _PROVED + _of("shell_registers") + _FAST),
    *_rows("rtl/shell", "limits.py", _of("limits")),
    *_rows("rtl/shell", "*", _of("shell") + _FAST),
)
#: What writes Verilog.
_OF_EMITTERS = (
    *_rows("rtl/blocks", "matrix.py serial*.py", _MATRIX + _COSTS + _CORE),
    *_rows("rtl/blocks", "branch.py delay_lines.py frames.py gru_before.py", _COSTS + _STREAMS),
    *_rows("rtl/blocks", "lanes.py pair.py taps.py recurrent.py", _COSTS + _STREAMS),
    *_rows(
        "rtl/blocks",
        "dense.py",
        _of("rtl_streams", "test_weights_of_a_program_are_as_wide_as_the_widest") + _COSTS + _IMAGES,
    ),
    *_rows("rtl/blocks", "image.py join.py", _COSTS + _IMAGE_MODEL + _IMAGES + _STREAMS),
    *_rows("rtl/blocks", "add.py", _COSTS + _of("rtl_branches", "test_blocks_model_the_layers") + _BRANCHES),
    *_rows("rtl/blocks", "lstm.py", _COSTS + _LSTM),
    *_rows(
        "rtl/blocks", "results.py", _COSTS + _of("rtl_extremes", "test_a_mean_that_loses_one_bit_is_rounded") + _CORE
    ),
    *_rows("rtl/blocks", "pool.py", _COSTS + _CORE_MODEL + _BRANCHES),
    *_rows("rtl/blocks", "*.py", _COSTS + _CORE_MODEL + _ENDS + _SHORT + _CORE),
    *_rows("rtl/lowering/streams", "*.py", _MODELS + _stream("rows-14", "image-6", "selu-15")[:3]),
    *_rows("rtl/lowering", "*.py", _COSTS + _MODELS + _IMAGE_MODEL + _CORE + _IMAGES),
    *_rows("rtl", "clock.py", _of("rtl_input")),
    *_rows("rtl", "rates.py", _of("rtl_rates")),
    *_rows("rtl", "control.py rhythm.py", _COSTS + _CORE + _IMAGES + _of("rtl_layers") + _CYCLES),
    *_rows("rtl", "hls_core.py", _of("shell") + _of("hls_core")),
    *_rows("rtl", "sums.py", _COSTS + _MATRIX),
    *_rows("rtl", "*.py", _COSTS + _MATRIX + _of("rtl_input") + _of("rtl_core") + _CONTROL),
)
_OF_FIRMWARE = (
    *_rows("hls/firmware/native", "*", _of("native_types") + _kernel("tables", "gates", "lstms") + _NATIVE),
    *_rows("hls/firmware/bambu", "*", _of("bambu_types") + _of("hls_bambu", "test_the_processes_are_exact")),
    *_rows("hls/firmware", "hw_amc_concatenate.h", _kernel("branches", "both_ways")),
    *_rows("hls/firmware", "hw_amc_conv*.h", _kernel("over_time", "image", "wide") + _NATIVE),
    *_rows("hls/firmware", "hw_amc_window.h", _kernel("over_time", "image", "wide", "tables")),
    *_rows("hls/firmware", "hw_amc_crop.h", _kernel("over_time", "both_ways")),
    *_rows("hls/firmware", "hw_amc_gru.h", _kernel("both_ways", "gates") + _NATIVE),
    *_rows("hls/firmware", "hw_amc_gru_reset.h", _kernel("reset")),
    *_rows("hls/firmware", "hw_amc_recurrent.h", _kernel("gates", "lstms", "both_ways", "reset") + _NATIVE),
    *_rows("hls/firmware", "hw_amc_join.h", _kernel("over_time") + _TOOLS),
    *_rows("hls/firmware", "hw_amc_linear.h", _kernel("branches", "image") + _NATIVE),
    *_rows("hls/firmware", "hw_amc_lstm.h", _kernel("lstms", "gates")),
    *_rows("hls/firmware", "hw_amc_maximum.h", _kernel("over_time", "image", "branches") + _OTHERS),
    *_rows("hls/firmware", "hw_amc_mean.h", _kernel("tables", "image")),
    *_rows("hls/firmware", "hw_amc_multiply.h", _kernel("branches")),
    *_rows("hls/firmware", "hw_amc_permute.h", _kernel("image", "wide")),
    *_rows("hls/firmware", "hw_amc_pool1d.h", _kernel("gates", "branches") + _OTHERS + _NATIVE),
    *_rows("hls/firmware", "hw_amc_quantize.h", _kernel("lstms", "tables")),
    *_rows("hls/firmware", "hw_amc_reshape.h", _kernel("over_time", "image", "both_ways", "wide")),
    *_rows("hls/firmware", "hw_amc_reverse.h", _kernel("both_ways")),
    *_rows("hls/firmware", "hw_amc_table.h", _kernel("tables", "gates")),
    *_rows("hls/firmware", "hw_amc_trace.h", _kernel("lstms", "branches") + _BOTH),
    *_rows("hls/firmware", "hw_amc_fork.h", _kernel("branches") + _TOOLS),
    *_rows("hls/firmware", "hw_amc_types.h", _kernel("branches", "gates", "over_time") + _TOOLS + _BOTH),
)
#: What writes C++.
_OF_HLS = (
    *_rows("hls/estimate", "*.py", _PRICES + _of("estimate") + _ESTIMATES),
    *_rows("hls", "strategies/*.py folding.py product.py", _of("hls_products") + _of("estimate") + _kernel("branches")),
    *_rows("hls", "lanes.py", _PIECES + _kernel("gates", "lstms")),
    *_rows("hls", "depths.py", _PIECES + _of("hls_layers", "test_a_gate_of_the_whole_frame_keeps_the_frame") + _DEPTHS),
    *_rows("hls", "roms.py", _of("hls_layers", "test_a_changed_entry_of_a_table_is_named") + _kernel("gates")),
    *_rows("hls", "reports.py vendor.py", _of("hls_vendor")),
    *_rows("hls/ops", "*.py", _PIECES + _FORMS + _PRICES + _DEPTHS + _FIRMWARE + _OTHERS),
    *_rows("hls", "cpp.py network.py project.py streams.py", _PIECES + _FIRMWARE + _DEPTHS + _of("hls_project")),
)
_OF_DRIVER = (
    *_rows("driver", "clock.py", _of("driver_clock")),
    *_rows("driver", "lock.py", _of("driver_lock") + _of("driver")),
    *_rows("driver", "turns.py", _of("driver_turns") + _of("driver")),
    *_rows("driver", "handoff.py", _of("handoff") + _of("driver")),
    *_rows("driver", "selftest.py stopwatch.py vectors.py", _of("driver_selftest")),
    *_rows("driver", "benchmark.py", _of("board_bench")),
    *_rows("driver", "overlay.py", _of("driver_clock") + _of("driver") + _of("driver_faults")),
    *_rows("driver", "__main__.py", _of("driver_selftest") + _of("doctor")),
    *_rows("driver", "doctor.py", _of("doctor")),
    *_rows("driver", "*", _of("driver") + _of("driver_faults")),
)
#: What the results are told of: kind of files -> their pattern; the first that fits counts.
GROUPS = {
    "golden": "hw_amc/graph/*",
    "blocks in Verilog": "hw_amc/rtl/blocks/*.v",
    "shell in Verilog": "hw_amc/rtl/shell/*.v",
    "what writes Verilog": "hw_amc/rtl/*.py",
    "C++ firmware": "hw_amc/hls/firmware/*",
    "what writes C++": "hw_amc/hls/*.py",
    "driver": "hw_amc/driver/*",
    "the rest: arithmetic of the gain": "*",
}
#: Files (patterns) and the tests that they meet; the first pattern that fits counts.
TESTS: tuple[Row, ...] = (
    *_OF_GRAPH,
    *_OF_BLOCKS,
    *_OF_SHELL,
    *_OF_EMITTERS,
    *_OF_FIRMWARE,
    *_OF_HLS,
    *_OF_DRIVER,
)
