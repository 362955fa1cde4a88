/** The inputs of the next drawing: what is set, and what the server thinks of it. */
import { checkInputs, messagesByInput, token } from './api.js';
import { readValue } from './schema.js';
import { batch, computed, effect, signal } from './vendor/signals.js';

/** @typedef {import('./schema.js').Field} Field */
/** @typedef {Record<string, string | number | boolean>} Values */

/** How long the page waits for another key before it asks the server. */
const CHECK_PAUSE = 200;
/** New seeds are below this, so that they are easy to read aloud. */
const SEEDS = 1_000_000;

/** Every input that the server has. @type {import('./vendor/signals.js').Signal<Field[]>} */
export const fields = signal([]);

/** The values that differ from what the server would use. @type {import('./vendor/signals.js').Signal<Values>} */
export const values = signal({});

/** Whether the next drawing has the same seed as this one. */
export const seedIsLocked = signal(false);

/** Messages by the name of the input. @type {import('./vendor/signals.js').Signal<Map<string, string>>} */
export const problems = signal(new Map());

/**
 * How the server reads the prompt.
 * @type {import('./vendor/signals.js').Signal<{prompts: {text: string, weight: number, stop?: number, tokens: number}[], token_limit: number}>}
 */
export const reading = signal({ prompts: [], token_limit: 0 });

/** The headings of the inputs, with their inputs. */
export const groups = computed(() => {
  /** @type {Map<string, Field[]>} */
  const found = new Map();
  for (const field of fields.value) {
    found.set(field.group, [...(found.get(field.group) ?? []), field]);
  }
  return found;
});

/** @param {string} name */
export const fieldOf = name => fields.value.find(field => field.name === name);

/**
 * What the server uses for an input that is not set, which can depend on the others: only a circle needs a radius, and a
 * picture needs no text (`default_beside` in input.rs).
 * @param {Field} field
 * @param {Values} given
 */
function initialOf(field, given) {
  const isCircle = (given.region_shape ?? 'circle') === 'circle' && !given.region_mask;
  if (field.name === 'distance_from_centre_threshold' && !isCircle) {
    return 0;
  }
  return field.name === 'prompt' && given.image_prompt ? '' : field.initial;
}

/** What is used for an input that is not set. @param {Field} field */
export const defaultOf = field => initialOf(field, values.value);

/** The value of an input: what is set, or its default. @param {string} name */
export function inputValue(name) {
  const field = fieldOf(name);
  return values.value[name] ?? (field && defaultOf(field)) ?? '';
}

/** An input as a number. @param {string} name @param {number} fallback */
export function numberOf(name, fallback) {
  const number = Number(inputValue(name));
  return inputValue(name) === '' || !Number.isFinite(number) ? fallback : number;
}

/** @param {string} name */
export const isChanged = name => name in values.value;

/**
 * Sets inputs. A value that is the default, or empty, is no change.
 * @param {Record<string, unknown>} changes
 */
export function set(changes) {
  const next = { ...values.value };
  const changed = Object.keys(changes)
    .map(fieldOf)
    .filter(field => field !== undefined);
  for (const field of changed) {
    const value = readValue(field, changes[field.name]);
    if (value === undefined || (field.kind !== 'text' && value === '')) {
      delete next[field.name];
    } else {
      next[field.name] = value;
    }
  }
  // Once all are known, because a default can depend on other inputs.
  for (const field of changed) {
    if (next[field.name] === initialOf(field, next)) {
      delete next[field.name];
    }
  }
  values.value = next;
}

/** Sets all inputs at once; those that are not named get their default. @param {Record<string, unknown>} all */
export function replaceAll(all) {
  batch(() => {
    values.value = {};
    set(all);
  });
}

/** Inputs without the files in them, which are too large for links and for the history. @param {Record<string, any>} input */
export const withoutFiles = input =>
  Object.fromEntries(
    Object.entries(input).filter(
      ([name, value]) => fieldOf(name)?.kind !== 'file' || !String(value).startsWith('data:'),
    ),
  );

/** @param {string[]} names */
export const reset = names => set(Object.fromEntries(names.map(name => [name, undefined])));

/** A new random seed. */
export function rollSeed() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  set({ seed: number % SEEDS });
}

/** The complete inputs of a drawing: all values, so that they mean the same on another server. */
export function completeInput() {
  /** @type {Values} */
  const all = {};
  for (const field of fields.value) {
    const value = values.value[field.name] ?? defaultOf(field);
    if (value !== null) {
      all[field.name] = value;
    }
  }
  return all;
}

/** Asks the server about the inputs a moment after every change. */
export function watchInputs() {
  let timer = 0;
  let asking = new AbortController();
  effect(() => {
    if (fields.value.length === 0) {
      return;
    }
    // A new token is a reason to ask again.
    token.value;
    const input = completeInput();
    clearTimeout(timer);
    timer = setTimeout(() => {
      asking.abort();
      asking = new AbortController();
      checkInputs(input, asking.signal).then(showCheck, () => {});
    }, CHECK_PAUSE);
  });
}

/** Asks now, before something is sent. Returns whether the inputs can be drawn. */
export async function checkNow() {
  showCheck(await checkInputs(completeInput()));
  return problems.value.size === 0;
}

/** @param {Awaited<ReturnType<typeof checkInputs>>} check */
function showCheck(check) {
  batch(() => {
    problems.value = messagesByInput(check.detail);
    reading.value = {
      prompts: Array.isArray(check.prompts) ? check.prompts : [],
      token_limit: Number(check.token_limit) || 0,
    };
  });
}
