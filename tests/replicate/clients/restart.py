"""PyPI replicate 1.0.7 polls a prediction while the server is killed and started again."""

import os
import time

import httpx
from common import FINAL, check_svg

import replicate

inputs = {"prompt": "a cat", "num_paths": 16, "num_iterations": int(os.environ["STEPS"]), "display_frequency": 50, "seed": 7}
secret = replicate.webhooks.default.secret().key
prediction = replicate.models.predictions.create(FINAL, input=inputs)
first, lost = prediction.model_dump() if hasattr(prediction, "model_dump") else prediction.dict(), 0
while prediction.status not in ("succeeded", "failed", "canceled"):
    time.sleep(0.1)
    try:
        prediction.reload()
    except httpx.TransportError:
        lost += 1
        continue
    assert prediction.output is None or prediction.status == "succeeded"
assert prediction.status == "succeeded", prediction.error
assert lost > 0, "the server was not killed"
assert (prediction.model, prediction.version) == (first["model"], first["version"])
assert prediction.urls == first["urls"], "the addresses are the same after the restart"
assert replicate.webhooks.default.secret().key == secret
kinds = [event.event.value for event in prediction.stream()]
assert kinds[-2:] == ["output", "done"], kinds
output = replicate.run(FINAL, input={**inputs, "num_iterations": 2})
check_svg(output.read())
print("ok restart")
