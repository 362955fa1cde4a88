// What the scripts of the JavaScript clients share: the server's address, checks, and a receiver of webhooks.

import assert from "node:assert/strict";
import { createServer } from "node:http";

export const SERVER = process.env.SERVER;
export const BUSY = process.env.BUSY_SERVER;
export const STARTING = process.env.STARTING_SERVER;
export const MODEL = "clipdraw/clipdraw";
export const FINAL = "clipdraw/clipdraw-final";

export const SVG = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224">
<path d="M10 10C60 20 90 80 200 200" fill="none" stroke="#d22" stroke-width="4"/></svg>`);
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR42mP4r6EBRyJIiGFoSQAACDI2YT9Pqp8AAAAASUVORK5CYII=",
  "base64",
);

// The inputs of a drawing with four frames.
export const small = (prompt, more = {}) => ({
  prompt,
  num_paths: 2,
  num_iterations: 3,
  display_frequency: 1,
  seed: 7,
  ...more,
});

export const checkSvg = (bytes) => {
  const text = Buffer.from(bytes).toString();
  assert.match(text, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.match(text, /<\/svg>\s*$/);
};

export const checkPng = (bytes) =>
  assert.equal(Buffer.from(bytes).subarray(0, 8).toString("hex"), "89504e470d0a1a0a");

// A receiver of webhooks, which keeps their headers and bodies.
export const receiver = async () => {
  const received = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const waitFor = async (count) => {
    for (let attempt = 0; received.length < count; attempt += 1) {
      assert.ok(attempt < 1500, "no webhook came");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return received;
  };
  return { url: `http://127.0.0.1:${server.address().port}/hook`, waitFor };
};

// Runs tests one after another, and says which.
export const runAll = async (tests) => {
  for (const [name, test] of Object.entries(tests)) {
    await test();
    console.log("ok", name);
  }
};
