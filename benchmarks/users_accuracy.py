"""What quantisation after training costs models of users' kinds: benchmarks/users_accuracy.py --json FILE [MODEL...].

Each of the ten float models of `users_models.py` is trained by Keras on generated frames (recipe `radioml2016-v1`, 128
samples or their first half, labels of 12 to 18 dB), saved as `.h5` and brought in by `hw-amc init`, 8 bits everywhere,
which calibrates on frames of the training. Float and deployed model then judge the same held-out frames, the deployed
one by golden, which equals the hardware. FILE keeps what earlier runs found of other models.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras
from users_models import USERS, Size

from hw_amc.flows.init import run as run_init
from hw_amc.flows.init_state import InitFlow, InitOptions
from hw_amc.graph import golden
from hw_amc.radio import generate_frames, load_recipe, to_wire
from hw_amc.radio.files.memory import Samples
from hw_amc.workspace import SHIPPED

COMMAND = "python benchmarks/users_accuracy.py"
RECIPE = "radioml2016-v1"
SNRS_DB = (12, 14, 16, 18)
TRAINED, JUDGED, CALIBRATED = 4000, 2000, 256
#: Number of classes -> which of the recipe's eleven; most networks of this size tell few from one another.
CHOSEN = {
    3: ("BPSK", "PAM4", "WBFM"),
    4: ("BPSK", "GFSK", "QPSK", "WBFM"),
    5: ("BPSK", "GFSK", "PAM4", "QPSK", "WBFM"),
}
#: Of the second head: linear modulations, and those of constant envelope.
FAMILY = {"GFSK": 1, "WBFM": 1, "CPFSK": 1}
BATCH, MOST_EPOCHS = 64, 60


def draw(size: Size, count: int, split: int) -> tuple[Any, list[Any]]:
    """Frames and the labels of each head."""
    recipe = load_recipe(RECIPE)
    every = [recipe.classes.cell_name(cell) for cell in range(len(recipe.classes.cells))]
    names = CHOSEN.get(size.classes[0], every)
    cells = np.arange(count) % len(names)
    labels = [recipe.classes.find(names[cell])[0] for cell in cells]
    snrs = [SNRS_DB[number % len(SNRS_DB)] for number in range(count)]
    frames = generate_frames(recipe, labels, snrs, np.arange(count) // len(names), split)[:, : size.frame]
    family = np.array([FAMILY.get(names[cell], 0) for cell in cells])
    return frames, [cells, family][: len(size.classes)]


def shaped(model: Any, frames: Any) -> Any:
    """Frames as the model takes them: I and Q in columns, or in two rows."""
    shape = model.input_shape[1:]
    return (frames.swapaxes(1, 2) if shape[0] == 2 else frames).reshape(len(frames), *shape)


def train(model: Any, frames: Any, labels: list[Any], seconds: float) -> int:
    """Fit within a budget of time; return the number of epochs."""
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    started = time.process_time()

    def stop(epoch: int, logs: Any) -> None:
        spent = time.process_time() - started
        keras.backend.set_value(model.optimizer.learning_rate, 3e-3 * max(1 - spent / seconds, 0.05))
        model.stop_training = spent > seconds

    history = model.fit(
        shaped(model, frames), labels if len(labels) > 1 else labels[0], BATCH, MOST_EPOCHS, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)],
    )  # fmt: skip
    return len(history.epoch)


def share(answers: list[Any], labels: list[Any]) -> float:
    """Percent of the answers of all heads that are right."""
    return round(100 * float(np.mean([np.argmax(a, -1) == y for a, y in zip(answers, labels, strict=True)])), 2)


def measure(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Train a model, bring it in, and judge both."""
    build, size = USERS[name]
    keras.utils.set_random_seed(20)
    model = build(size)
    frames, labels = draw(size, TRAINED, split=0)
    epochs = train(model, frames, labels, seconds)
    model.save(folder / f"{name}.h5", save_format="h5")
    options = InitOptions(
        folder / f"{name}.h5",
        classes=";".join(",".join(f"class{number}" for number in range(count)) for count in size.classes),
        data=Samples(frames[:CALIBRATED], None, None),
    )
    flow = InitFlow.open(options, root=folder)
    graph = run_init(flow).graph
    held, truth = draw(size, JUDGED, split=2)
    floats = model.predict(shaped(model, held), verbose=0)
    tensors = golden.run(graph, to_wire(held, flow.wire_frac), list(graph.outputs))
    before = share(floats if isinstance(floats, list) else [floats], truth)
    after = share([tensors[head] for head in graph.outputs], truth)
    return {
        "classes": list(size.classes), "samples": size.frame, "parameters": int(model.count_params()),
        "epochs": epochs, "frames": JUDGED, "float": before, "deployed": after, "lost_points": round(before - after, 2),
    }  # fmt: skip


def main() -> None:
    """Measure the models asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(USERS), help="of users_models.py; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the processor for each training")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    found = json.loads(arguments.json.read_text())["models"] if arguments.json.exists() else {}
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "boards").symlink_to(SHIPPED / "boards")
            (Path(folder) / "hls_projects").mkdir()
            found[name] = measure(name, Path(folder), arguments.seconds)
        print(name, found[name], flush=True)
        whole = {
            "date": date.today().isoformat(), "command": COMMAND, "kind": "measured", "recipe": RECIPE,
            "snrs_db": list(SNRS_DB), "training_frames": TRAINED, "calibration_frames": CALIBRATED, "bits": 8,
            "seconds": arguments.seconds, "models": {key: found[key] for key in USERS if key in found},
        }  # fmt: skip
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
