// npm @ai-sdk/replicate 2.0.57 with ai 6, or 3.0.46 with ai 7, unchanged, against a server of clipdraw.

import assert from "node:assert/strict";
import { BUSY, FINAL, runAll, SERVER, checkPng, checkSvg, small } from "./common.mjs";

const generation = process.argv[2];
const { createReplicate } = await import(`ai-sdk-replicate-${generation}`);
const ai = await import(generation === "2" ? "ai-6" : "ai-7");
const generateImage = ai.generateImage ?? ai.experimental_generateImage;

const apiToken = process.env.REPLICATE_API_TOKEN;
const at = (server) => createReplicate({ apiToken, baseURL: `${server}/v1` });
const draw = (prompt, more = {}, options = {}) => {
  const { prompt: _, ...inputs } = small(prompt, more);
  const model = at(options.server ?? SERVER).image(FINAL);
  return generateImage({ model, prompt, maxRetries: 0, ...options, providerOptions: { replicate: { ...inputs, ...options.replicate } } });
};

const tests = {
  async "an image"() {
    const { image, images } = await draw("a cat", { output_format: "png" });
    assert.equal(images.length, 1);
    checkPng(image.uint8Array);
    assert.equal(image.mediaType, "image/png");
  },

  async "an SVG"() {
    checkSvg((await draw("a cat")).image.uint8Array);
  },

  async "two images"() {
    const { images } = await draw("a cat", { output_format: "png" }, { n: 2 });
    assert.equal(images.length, 2);
  },

  async "a refused request and a failed prediction"() {
    await assert.rejects(draw("a cat", { num_paths: 0 }), /num_paths/);
    await assert.rejects(draw("fail at 1"));
  },

  async "a busy server"() {
    await assert.rejects(draw("a cat", {}, { server: BUSY }), /queue/);
  },
};

if (generation === "3") {
  tests["an image after a short wait"] = async () => {
    const options = { replicate: { maxWaitTimeInSeconds: 1 } };
    const { image } = await draw("sleep 600 for long", { output_format: "png" }, options);
    checkPng(image.uint8Array);
  };
}

await runAll(tests);
