"""Embedded Python block of GNU Radio: which modulation a stream has, frame by frame, as messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from hw_amc.errors import HwAmcError
from hw_amc.gnuradio import FrameAnswer, StreamClassifier

ANSWERS = pmt.intern("answers")


class AmcClassifier(gr.sync_block):
    """Says which modulation a stream has, frame by frame.

    Every frame becomes a message of port `answers`, a dictionary: `label`; `margin`, by how much its logit leads the
    next one; `sample`, the frame's first sample since the start; `samples`, its length. A network of several heads
    adds `label_<head>` and `margin_<head>`.

    model: a folder under hls_projects/, or a model that hw_amc ships.
    device: golden, sim (the simulated Verilog), or the path of an overlay's .bit.
    every: answer one frame of every so many.
    normalise: none or rms; empty for rms unless a gain or input_shift is set.
    input_shift: empty string for the model's own, or an integer.
    gain: factor of the samples.
    automatic_gain: True for the gain of an accelerator that is built with it.
    """

    def __init__(
        self,
        model: str = "gru_cnn_sparse07",
        device: str = "golden",
        every: int = 1,
        normalise: str = "",
        input_shift: Any = "",
        gain: float = 1.0,
        automatic_gain: bool = False,
    ) -> None:
        gr.sync_block.__init__(self, name="AMC classifier", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(ANSWERS)
        shift = None if input_shift == "" else int(input_shift)
        self._stream = StreamClassifier(model, device, every, normalise, shift, gain, automatic_gain)

    def start(self) -> bool:
        """Begin with sample 0; a flow graph may be started again."""
        self._stream.open()
        return True

    def stop(self) -> bool:
        """Close the device."""
        self._warn(at_end=True)
        self._stream.close()
        return True

    def work(self, input_items: list[Any], output_items: list[Any]) -> int:
        """Answer every frame that is complete, before more samples are taken."""
        try:
            for answer in self._stream.answer(input_items[0]):
                self.message_port_pub(ANSWERS, self._message(answer))
        except HwAmcError as error:
            self.logger.error(str(error))
            return -1  # the flow graph ends
        self._warn()
        return len(input_items[0])

    def _warn(self, at_end: bool = False) -> None:
        for problem in self._stream.problems(at_end):
            self.logger.warn(problem)

    def _message(self, answer: FrameAnswer) -> Any:
        values: dict[str, Any] = {}
        for head, label, margin in zip(self._stream.heads, answer.labels, answer.margins, strict=True):
            values |= {f"label{head}": pmt.intern(label), f"margin{head}": pmt.from_double(margin)}
        values |= {"sample": pmt.from_uint64(answer.sample), "samples": pmt.from_uint64(answer.samples)}
        message = pmt.make_dict()
        for name in reversed(values):  # what is added last is printed first
            message = pmt.dict_add(message, pmt.intern(name), values[name])
        return message
