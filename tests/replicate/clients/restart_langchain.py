"""LangChain's Replicate (langchain-community 0.4.2), with LangChain's retries, while the server is killed and started again."""

import base64
import os

from common import FINAL, check_svg
from langchain_community.llms import Replicate

inputs = {"num_paths": 16, "num_iterations": int(os.environ["STEPS"]), "display_frequency": 50, "seed": 7}
model = Replicate(model=FINAL, model_kwargs=inputs)
repeating = model.with_retry(stop_after_attempt=30, exponential_jitter_params={"initial": 0.5, "max": 2})
address = repeating.invoke("a cat")
check_svg(base64.b64decode(address.split(";base64,")[1]))
print("ok restart")
