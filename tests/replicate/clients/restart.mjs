// npm replicate 1.4.0 waits for a prediction while the server is killed and started again.

import assert from "node:assert/strict";
import Replicate from "replicate";
import { FINAL, checkSvg } from "./common.mjs";

const replicate = new Replicate({ auth: process.env.REPLICATE_API_TOKEN, baseUrl: process.env.REPLICATE_BASE_URL });
const input = {
  prompt: "a cat",
  num_paths: 16,
  num_iterations: Number(process.env.STEPS),
  display_frequency: 50,
  seed: 7,
};
const { key } = await replicate.webhooks.default.secret.get();
const prediction = await replicate.predictions.create({ model: FINAL, input });
assert.equal(prediction.status, "starting");
let done;
let lost = 0;
while (!done) {
  try {
    done = await replicate.wait(prediction, { interval: 100 });
  } catch (error) {
    // The connection is lost: what fetch throws has no response.
    if (!(error instanceof TypeError)) throw error;
    lost += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
assert.equal(done.status, "succeeded", done.error);
assert.ok(lost > 0, "the server was not killed");
assert.deepEqual([done.model, done.version, done.urls], [prediction.model, prediction.version, prediction.urls]);
assert.equal((await replicate.webhooks.default.secret.get()).key, key);
const output = await replicate.run(FINAL, { input: { ...input, num_iterations: 2 } });
checkSvg(await (await output.blob()).arrayBuffer());
console.log("ok restart");
