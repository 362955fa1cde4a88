/** The drawings on the page: started, followed again after a reload, or opened from the history. */

import { announce } from './announce.js';
import {
  ApiError,
  getPrediction,
  messagesByInput,
  needsToken,
  newId,
  readiness,
  unfinishedPredictions,
} from './api.js';
import { Drawing } from './drawing.js';
import { detailsOf, entries, keep, restore } from './history.js';
import { checkNow, completeInput, isChanged, problems, rollSeed, seedIsLocked } from './inputs.js';
import { batch, computed, effect, signal } from './vendor/signals.js';

/** How often running drawings are kept, in case that the page is closed. */
const KEEP_PAUSE = 5000;
/** How often the queue is asked for: while a drawing waits, and else. */
const WAITING_PAUSE = 1000;
const IDLE_PAUSE = 10_000;
const TOKEN_PAUSE = 200;
/** So many finished drawings stay on the page beside a new one. */
const MAX_FINISHED = 11;
/** The drawings of this browser that may be unfinished. */
const MINE = 'clipdraw-unfinished';
const LOST = 'The server no longer knows this drawing. This is how far it got.';

/** @param {number} milliseconds */
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

/** Those on the page, the newest first. @type {import('./vendor/signals.js').Signal<Drawing[]>} */
export const drawings = signal([]);

const chosenId = signal('');

/** The one whose details are shown. */
export const chosen = computed(
  () => drawings.value.find(drawing => drawing.id === chosenId.value) ?? drawings.value[0] ?? null,
);

/** Predictions of others on this server. @type {import('./vendor/signals.js').Signal<any[]>} */
export const others = signal([]);

/** Why nothing can be drawn, if that is so. */
export const serverProblem = signal('');

/** @param {Drawing} drawing */
export const choose = drawing => {
  chosenId.value = drawing.id;
};

/** @returns {string[]} */
function mine() {
  try {
    const ids = JSON.parse(localStorage.getItem(MINE) ?? '[]');
    return Array.isArray(ids) ? ids.map(String) : [];
  } catch {
    return [];
  }
}

/** @param {(ids: string[]) => string[]} change */
function changeMine(change) {
  try {
    localStorage.setItem(MINE, JSON.stringify(change(mine())));
  } catch {
    // Without a memory, a reload shows them among the drawings of others.
  }
}

/** @param {Drawing} drawing */
function add(drawing) {
  drawing.onEnd = ended => {
    changeMine(ids => ids.filter(id => id !== ended.id));
    keep(ended);
    announce(endingOf(ended));
  };
  batch(() => {
    const rest = drawings.value.filter(other => other.id !== drawing.id);
    // The oldest finished ones go to the history, so that the page stays small.
    const finished = rest.filter(other => other.isFinal.value).slice(MAX_FINISHED);
    drawings.value = [drawing, ...rest.filter(other => !finished.includes(other))];
    choose(drawing);
  });
}

/** @param {Drawing} drawing */
function endingOf(drawing) {
  switch (drawing.status.value) {
    case 'succeeded':
      return 'The drawing is finished.';
    case 'canceled':
      return 'The drawing was stopped.';
    default:
      return `The drawing failed. ${drawing.message.value}`;
  }
}

/** Draws with the inputs that are set. Returns the name of the first wrong input, if there is one. */
export async function draw() {
  if (!seedIsLocked.value || !isChanged('seed')) {
    rollSeed();
  }
  serverProblem.value = '';
  try {
    if (!(await checkNow())) {
      return [...problems.value.keys()][0];
    }
  } catch (error) {
    serverProblem.value = textOf(error);
    return undefined;
  }
  return start(completeInput());
}

/** @param {unknown} error */
const textOf = error =>
  error instanceof ApiError ? error.message : 'The server cannot be reached.';

/** @param {Record<string, any>} input */
async function start(input) {
  const drawing = new Drawing(newId(), input);
  changeMine(ids => [...ids, drawing.id]);
  add(drawing);
  announce('The drawing has been sent.');
  try {
    await drawing.start();
  } catch (error) {
    // Nothing is drawn, so there is nothing to look at.
    remove(drawing);
    serverProblem.value = textOf(error);
    if (error instanceof ApiError && error.status === 422) {
      problems.value = messagesByInput(error.detail);
      return [...problems.value.keys()][0];
    }
  }
  return undefined;
}

/** Takes a drawing off the page. It stays in the history. @param {Drawing} drawing */
export function remove(drawing) {
  drawing.leave();
  if (!drawing.isFinal.value) {
    keep(drawing);
  }
  drawings.value = drawings.value.filter(other => other !== drawing);
}

/** Follows a prediction that this page has not started. @param {any} state */
export async function watch(state) {
  const drawing = new Drawing(String(state.id), state.input ?? {});
  const created = Date.parse(state.created_at);
  drawing.created = Number.isFinite(created) ? created : Date.now();
  drawing.status.value = state.status === 'starting' ? 'starting' : 'processing';
  const details = await detailsOf(drawing.id);
  if (details) {
    restore(drawing, details);
  }
  add(drawing);
  others.value = others.value.filter(other => other.id !== state.id);
  await drawing.follow();
}

/** Opens a drawing of the history. @param {import('./history.js').Entry} entry */
export async function open(entry) {
  const there = drawings.value.find(drawing => drawing.id === entry.id);
  if (there) {
    choose(there);
    return there;
  }
  const drawing = new Drawing(entry.id, entry.input);
  drawing.created = entry.created;
  const details = await detailsOf(entry.id);
  if (details) {
    restore(drawing, details);
  }
  add(drawing);
  drawing.onEnd = () => {};
  const isFinal = ['succeeded', 'canceled', 'failed'].includes(entry.status);
  drawing.end(isFinal ? /** @type {any} */ (entry.status) : 'canceled', entry.message);
  return drawing;
}

/** The state of a drawing of before; null if the server does not know it. @param {string} id */
async function stateOf(id) {
  for (;;) {
    try {
      return await getPrediction(id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return null;
      }
    }
    await sleep(needsToken.value ? TOKEN_PAUSE : WAITING_PAUSE);
  }
}

/** Follows again what was unfinished when the page was left. */
export async function resume() {
  for (const id of mine()) {
    const state = await stateOf(id);
    const entry = entries.value.find(entry => entry.id === id);
    if (state) {
      watch(state);
    } else if (entry) {
      const drawing = await open(entry);
      drawing.message.value = LOST;
    }
    if (!state) {
      changeMine(ids => ids.filter(other => other !== id));
    }
  }
}

/** The places in the queue, and what others draw. */
async function lookAtQueue() {
  const unfinished = await unfinishedPredictions();
  const known = new Set(drawings.value.map(drawing => drawing.id));
  const waiting = unfinished.filter(state => state.status === 'starting').reverse();
  batch(() => {
    others.value = unfinished.filter(state => !known.has(state.id));
    for (const drawing of drawings.value) {
      const place = waiting.findIndex(state => state.id === drawing.id);
      drawing.ahead.value = place < 0 ? null : place;
    }
  });
}

async function lookAtServer() {
  const { ready, status } = await readiness();
  if (!ready) {
    serverProblem.value =
      status === 'STARTING'
        ? 'The server is still loading its model. You can draw in a moment.'
        : `The server cannot draw now (${status}).`;
  } else if (serverProblem.value.startsWith('The server')) {
    serverProblem.value = '';
  }
}

/** Watches the server as long as the page is open. */
export async function watchServer() {
  for (;;) {
    while (needsToken.value) {
      await sleep(TOKEN_PAUSE);
    }
    await Promise.all([lookAtServer(), lookAtQueue()]).catch(() => {});
    const isWaiting = drawings.value.some(drawing => drawing.status.value === 'starting');
    const pause = isWaiting || serverProblem.value ? WAITING_PAUSE : IDLE_PAUSE;
    await sleep(pause);
  }
}

/** Keeps running drawings now and then, and says how far the chosen one is. */
export function watchDrawings() {
  setInterval(() => {
    for (const drawing of drawings.value) {
      if (!drawing.isFinal.value && drawing.arrived > 0) {
        keep(drawing);
      }
    }
  }, KEEP_PAUSE);
  let quarter = 0;
  effect(() => {
    const drawing = chosen.value;
    const part = drawing?.steps ? Math.floor((4 * drawing.step.value) / drawing.steps) : 0;
    if (part !== quarter && part > 0 && part < 4) {
      announce(`${part * 25} percent are drawn.`);
    }
    quarter = part;
  });
}
