"""Run as a process: a training run from JSON settings that can end itself abruptly.

python -m tests.training.run SETTINGS [STEP SIGNAL]

After step STEP the process sends itself SIGNAL (KILL, TERM, INT). The clock counts steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from tests.training import small  # noqa: F401  (environment before TensorFlow)


def main() -> int:
    from tests.training.step_clock import StepClock
    from tfmlm.config import TrainConfig
    from tfmlm.errors import TfmlmError
    from tfmlm.training import run_training

    settings, *when = sys.argv[1:]

    class End(StepClock):
        def on_train_batch_end(self, batch, logs=None):
            if when and int(self.model.global_step.numpy()) == int(when[0]):
                os.kill(os.getpid(), getattr(signal, f"SIG{when[1]}"))

    try:
        config = TrainConfig.from_dict(json.loads(settings))
        end = End()
        results = run_training(config, callbacks=[end], clock=end)
    except TfmlmError as error:
        print(f"error: {error}", flush=True)
        return error.exit_code
    print("RESULTS " + json.dumps(results), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
