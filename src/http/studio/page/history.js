/** The drawings of before, kept in the browser (IndexedDB): at most so many, and so many bytes. */
import { blobOf } from './frames.js';
import { withoutFiles } from './inputs.js';
import { signal } from './vendor/signals.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

const MAX_DRAWINGS = 100;
const MAX_BYTES = 256 << 20;
/** The frames of one drawing that are kept: so many, evenly spread, and so many bytes of them. */
const MAX_FRAMES = 120;
const MAX_FRAME_BYTES = 6 << 20;

/**
 * @typedef {object} Entry a drawing in the list
 * @property {string} id
 * @property {number} created
 * @property {Record<string, any>} input
 * @property {string} status
 * @property {string} message
 * @property {Blob | null} picture its newest frame
 * @property {number} step
 * @property {number} bytes
 */

/**
 * @typedef {object} Details its frames and losses, read only when it is opened
 * @property {string} id
 * @property {number} after
 * @property {{index: number, step: number, type: string, data: string | Blob}[]} frames
 * @property {number[]} steps
 * @property {import('./losses.js').Series[]} series
 */

/** The list, the newest first. @type {import('./vendor/signals.js').Signal<Entry[]>} */
export const entries = signal([]);

/** Why drawings are not kept, if they are not. */
export const historyProblem = signal('');

/** @type {Promise<IDBDatabase> | null} */
let opening = null;

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const done = request =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('clipdraw-studio', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('drawings', { keyPath: 'id' });
      request.result.createObjectStore('details', { keyPath: 'id' });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** @param {(drawings: IDBObjectStore, details: IDBObjectStore) => Promise<unknown>} change */
async function transact(change) {
  try {
    const transaction = (await database()).transaction(['drawings', 'details'], 'readwrite');
    await change(transaction.objectStore('drawings'), transaction.objectStore('details'));
  } catch {
    historyProblem.value =
      'This browser does not let the page keep drawings. Save those that you like.';
  }
}

/** Reads the list. */
export async function loadHistory() {
  await transact(async drawings => {
    const all = await done(/** @type {IDBRequest<Entry[]>} */ (drawings.getAll()));
    entries.value = all.sort((a, b) => b.created - a.created);
  });
}

/** Frames that are spread evenly, few enough to be kept. @param {Drawing} drawing */
function someFrames(drawing) {
  const all = drawing.frames.kept;
  const size = all.reduce((sum, frame) => sum + frame.size * 0.75, 0);
  const stride = Math.ceil(Math.max(all.length / MAX_FRAMES, size / MAX_FRAME_BYTES, 1));
  const some = all.filter((frame, place) => place % stride === 0 || frame === drawing.frames.last);
  return some.map(frame => ({
    index: frame.index,
    step: frame.step,
    type: frame.type,
    data: blobOf(frame) ?? frame.data,
  }));
}

/** Keeps a drawing as it is now. @param {Drawing} drawing */
export async function keep(drawing) {
  const last = drawing.frames.last;
  if (!last) {
    return;
  }
  const frames = someFrames(drawing);
  const sizes = frames.map(({ data }) => (data instanceof Blob ? data.size : data.length));
  /** @type {Entry} */
  const entry = {
    id: drawing.id,
    created: drawing.created,
    input: withoutFiles(drawing.input.value),
    status: drawing.status.value,
    message: drawing.message.value,
    picture: blobOf(last),
    step: last.step,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
  const { steps, series } = drawing.losses;
  const details = {
    id: drawing.id,
    after: drawing.after,
    frames,
    steps,
    series: [...series.values()],
  };
  await transact(async (drawings, detailsStore) => {
    await Promise.all([done(drawings.put(entry)), done(detailsStore.put(details))]);
    const others = entries.value.filter(other => other.id !== entry.id);
    const all = [entry, ...others].sort((a, b) => b.created - a.created);
    let bytes = 0;
    const kept = all.filter((other, place) => {
      bytes += other.bytes;
      return place < MAX_DRAWINGS && (bytes <= MAX_BYTES || place === 0);
    });
    for (const other of all.filter(other => !kept.includes(other))) {
      drawings.delete(other.id);
      detailsStore.delete(other.id);
    }
    entries.value = kept;
  });
}

/** @param {string} id @returns {Promise<Details | undefined>} */
export async function detailsOf(id) {
  /** @type {Details | undefined} */
  let found;
  await transact(async (_, details) => {
    found = await done(details.get(id));
  });
  return found;
}

/** Puts frames and losses that were kept into a drawing. @param {Drawing} drawing @param {Details} details */
export function restore(drawing, details) {
  for (const { index, step, type, data } of details.frames) {
    const file =
      data instanceof Blob
        ? { blob: data, data: '', size: data.size }
        : { data, size: data.length };
    drawing.frames.add({ index, step, type, ...file });
  }
  drawing.losses.steps = details.steps;
  for (const series of details.series) {
    drawing.losses.series.set(series.key, series);
  }
  drawing.after = details.after;
  drawing.arrived = (drawing.frames.last?.index ?? -1) + 1;
  drawing.show();
}

/** @param {string} id */
export async function forget(id) {
  await transact(async (drawings, details) => {
    await Promise.all([done(drawings.delete(id)), done(details.delete(id))]);
    entries.value = entries.value.filter(entry => entry.id !== id);
  });
}

/** Removes everything. */
export async function clearHistory() {
  await transact(async (drawings, details) => {
    await Promise.all([done(drawings.clear()), done(details.clear())]);
    entries.value = [];
  });
}
