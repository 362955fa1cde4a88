// npm replicate 1.4.0, unchanged, against a server of clipdraw.

import assert from "node:assert/strict";
import { Blob, File } from "node:buffer";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Replicate, { parseProgressFromLogs, validateWebhook } from "replicate";
import {
  BUSY,
  FINAL,
  MODEL,
  PNG,
  receiver,
  runAll,
  SERVER,
  STARTING,
  SVG,
  checkPng,
  checkSvg,
  small,
} from "./common.mjs";

const auth = process.env.REPLICATE_API_TOKEN;
const at = (server) => new Replicate({ auth, baseUrl: `${server}/v1` });
const replicate = at(SERVER);

await runAll({
  async run() {
    const output = await replicate.run(MODEL, { input: small("a cat") });
    assert.equal(output.length, 4);
    for (const file of output) checkSvg(await (await file.blob()).arrayBuffer());
  },

  async "run and save the file"() {
    const output = await replicate.run(FINAL, { input: small("a cat", { output_format: "png" }) });
    const path = join(await mkdtemp(join(tmpdir(), "clipdraw-")), "cat.png");
    await writeFile(path, output);
    checkPng(await readFile(path));
  },

  async "run with a version"() {
    for (const model of [MODEL, FINAL]) {
      const [owner, name] = model.split("/");
      const { latest_version } = await replicate.models.get(owner, name);
      const output = await replicate.run(`${model}:${latest_version.id}`, { input: small("a cat") });
      assert.equal(Array.isArray(output), model === MODEL);
    }
  },

  async "run that polls, with progress"() {
    const seen = [];
    const onProgress = (prediction) => seen.push(parseProgressFromLogs(prediction)?.current);
    const wait = { mode: "poll", interval: 100 };
    const output = await replicate.run(MODEL, { input: small("sleep 300 for long"), wait }, onProgress);
    assert.equal(output.length, 4);
    assert.ok(seen.includes(1) && seen.includes(3), `${seen}`);
  },

  async "run that polls after a short wait"() {
    const wait = { mode: "block", timeout: 1 };
    const frames = await replicate.run(MODEL, { input: small("sleep 600 for long"), wait });
    assert.equal(frames.length, 4, "not the first frames only");
    const file = await replicate.run(FINAL, { input: small("sleep 600 for long"), wait });
    checkSvg(await (await file.blob()).arrayBuffer());
  },

  async "run with files"() {
    const before = (await replicate.files.list()).results.length;
    const picture = new Blob([PNG], { type: "image/png" });
    const strokes = new File([SVG], "a line.svg", { type: "image/svg+xml" });
    const clients = [replicate, ...["upload", "data-uri"].map((fileEncodingStrategy) =>
      new Replicate({ auth, baseUrl: `${SERVER}/v1`, fileEncodingStrategy }))];
    for (const client of clients) {
      const output = await client.run(FINAL, { input: small("a cat", { image_prompt: picture, init_svg: strokes }) });
      checkSvg(await (await output.blob()).arrayBuffer());
    }
    const output = await replicate.run(FINAL, { input: small("a cat", { image_prompt: PNG, init_svg: SVG }) });
    checkSvg(await (await output.blob()).arrayBuffer());
    assert.equal((await replicate.files.list()).results.length, before + 6);
  },

  async files() {
    const file = await replicate.files.create(new Blob([SVG], { type: "image/svg+xml" }), { of: "me" });
    assert.equal(file.size, SVG.length);
    assert.equal(file.content_type, "image/svg+xml");
    assert.deepEqual(file.metadata, { of: "me" });
    assert.deepEqual(await replicate.files.get(file.id), file);
    const content = await (await fetch(file.urls.download)).arrayBuffer();
    assert.ok(Buffer.from(content).equals(SVG), "without a token");
    assert.equal(await replicate.files.delete(file.id), true);
    await assert.rejects(replicate.files.get(file.id), /404/);
    const input = small("a cat", { init_svg: file.urls.get });
    await assert.rejects(replicate.run(FINAL, { input }), /422.*does not keep that file/s);
    const large = Buffer.alloc(11 << 20);
    await assert.rejects(replicate.files.create(large), /413.*10485760 bytes/s);
  },

  async stream() {
    const events = [];
    for await (const event of replicate.stream(MODEL, { input: small("a cat") })) events.push(event);
    const outputs = events.filter(({ event }) => event === "output");
    assert.equal(outputs.length, 4);
    assert.ok(outputs[0].data.startsWith("data:image/svg+xml;base64,"));
    assert.equal(events.at(-1).event, "done");
  },

  async "stream of a failure"() {
    await assert.rejects(async () => {
      for await (const _ of replicate.stream(MODEL, { input: small("fail at 1") }));
    }, /centre term/);
  },

  async "create, wait and cancel"() {
    const prediction = await replicate.predictions.create({ model: MODEL, input: small("sleep 100 for long") });
    assert.equal(prediction.status, "starting");
    assert.equal(prediction.output, null);
    const done = await replicate.wait(prediction, { interval: 50 });
    assert.equal(done.output.length, 4);
    const long = await replicate.predictions.create({ model: MODEL, input: small("sleep 300 for long") });
    assert.equal((await replicate.predictions.cancel(long.id)).status, "canceled");
  },

  async paginate() {
    let count = 0;
    for await (const page of replicate.paginate(replicate.predictions.list)) count += page.length;
    assert.ok(count >= 5, `${count}`);
  },

  async "models, versions, deployments and the rest"() {
    assert.equal((await replicate.models.search("draw")).results.length, 2);
    assert.equal((await replicate.models.list()).results.length, 2);
    const versions = await replicate.models.versions.list("clipdraw", "clipdraw");
    const id = versions.results?.[0]?.id ?? versions[0].id;
    assert.equal((await replicate.models.versions.get("clipdraw", "clipdraw", id)).id, id);
    const started = await replicate.deployments.predictions.create("clipdraw", "clipdraw-final", {
      input: small("a cat"),
    });
    const done = await replicate.wait(started, { interval: 50 });
    assert.equal(typeof done.output, "string");
    assert.equal((await replicate.accounts.current()).username, "clipdraw");
    assert.ok((await replicate.hardware.list())[0].sku);
  },

  async webhooks() {
    const hook = await receiver();
    await replicate.predictions.create({
      model: MODEL,
      input: small("a cat"),
      webhook: hook.url,
      webhook_events_filter: ["start", "completed"],
    });
    const { key } = await replicate.webhooks.default.secret.get();
    for (const { headers, body } of await hook.waitFor(2)) {
      const request = new Request("http://localhost/hook", { method: "POST", headers, body });
      assert.equal(await validateWebhook(request.clone(), key), true);
      const parts = {
        id: headers["webhook-id"],
        timestamp: headers["webhook-timestamp"],
        signature: headers["webhook-signature"],
        secret: key,
      };
      assert.equal(await validateWebhook({ ...parts, body }), true);
      assert.equal(await validateWebhook({ ...parts, body: body.replace("a cat", "a dog") }), false);
    }
  },

  async "a failed prediction and refused requests"() {
    await assert.rejects(replicate.run(MODEL, { input: small("fail at 1") }), /centre term/);
    await assert.rejects(replicate.run(MODEL, { input: { num_paths: 0 } }), /422.*num_paths/s);
    await assert.rejects(replicate.predictions.get("nothing"), /404/);
    const stranger = new Replicate({ auth: "wrong", baseUrl: `${SERVER}/v1` });
    await assert.rejects(stranger.run(MODEL, { input: small("a cat") }), /401/);
  },

  async "a busy server and one that is not ready"() {
    await assert.rejects(at(BUSY).run(MODEL, { input: small("a cat") }), /429/);
    await assert.rejects(at(STARTING).run(MODEL, { input: small("a cat") }), /503/);
  },
});
