// npm replicate 1.4.0 and @ai-sdk/replicate 3.0.46 over https, where output files are addresses of the server.

import assert from "node:assert/strict";
import Replicate from "replicate";
import { generateImage } from "ai-7";
import { createReplicate } from "ai-sdk-replicate-3";
import { FINAL, MODEL, runAll, SERVER, checkPng, checkSvg, small } from "./common.mjs";

const token = process.env.REPLICATE_API_TOKEN;
const replicate = new Replicate({ auth: token, baseUrl: `${SERVER}/v1` });

await runAll({
  async "file outputs are addresses"() {
    for (const file of await replicate.run(MODEL, { input: small("a cat") })) {
      assert.ok(file.url().href.startsWith(`${SERVER}/v1/files/`), file.url().href);
      checkSvg(await (await file.blob()).arrayBuffer());
    }
  },

  async "an image of the AI SDK"() {
    const { prompt, ...inputs } = small("a cat", { output_format: "png" });
    const model = createReplicate({ apiToken: token, baseURL: `${SERVER}/v1` }).image(FINAL);
    const { image } = await generateImage({ model, prompt, providerOptions: { replicate: inputs } });
    checkPng(image.uint8Array);
  },
});
