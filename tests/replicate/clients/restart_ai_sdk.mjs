// npm @ai-sdk/replicate 2.0.57 with ai 6, or 3.0.46 with ai 7, while the server is killed and started again. The SDK repeats
// the whole call after a lost connection.

import { FINAL, checkPng } from "./common.mjs";

const generation = process.argv[2];
const { createReplicate } = await import(`ai-sdk-replicate-${generation}`);
const ai = await import(generation === "2" ? "ai-6" : "ai-7");
const generateImage = ai.generateImage ?? ai.experimental_generateImage;

const provider = createReplicate({
  apiToken: process.env.REPLICATE_API_TOKEN,
  baseURL: process.env.REPLICATE_BASE_URL,
});
const inputs = { num_paths: 16, num_iterations: Number(process.env.STEPS), display_frequency: 50, seed: 7 };
const wait = generation === "3" ? { maxWaitTimeInSeconds: 1 } : {};
const { image } = await generateImage({
  model: provider.image(FINAL),
  prompt: "a cat",
  maxRetries: 6,
  providerOptions: { replicate: { ...inputs, ...wait, output_format: "png" } },
});
checkPng(image.uint8Array);
console.log("ok restart");
