"""PyPI replicate 2.0.0b4 waits for a prediction while the server is killed and started again."""

import os

from common import FINAL, SVG, check_svg

from replicate import Replicate

# The client repeats requests whose connection is lost.
client = Replicate(max_retries=30)
inputs = {"prompt": "a cat", "num_paths": 16, "num_iterations": int(os.environ["STEPS"]), "display_frequency": 50, "seed": 7}
file = client.files.create(content=SVG, filename="a line.svg", type="image/svg+xml")
prediction = client.models.predictions.create(model_owner="clipdraw", model_name="clipdraw-final", input=inputs)
assert prediction.status == "starting"
done = client.predictions.wait(prediction.id)
assert done.status == "succeeded", done.error
assert (done.model, done.version) == (prediction.model, prediction.version)
assert client.files.get(file_id=file.id).checksums.sha256 == file.checksums.sha256, "the file is still there"
output = client.run(FINAL, input={**inputs, "num_iterations": 2, "init_svg": file.urls.get})
check_svg(output.read())
print("ok restart")
