/** The losses of a drawing, frame by frame and term by term. */

/** What the terms mean, for somebody who sees them for the first time. */
const MEANINGS = /** @type {Record<string, string>} */ ({
  total: 'The sum of all terms. The lower it is, the better the drawing.',
  clip: 'How well the picture fits the prompt.',
  contrast: 'Whether the picture fits the prompt better than other things.',
  centre: 'How far strokes are outside the circle.',
});

/** A term whose changes are less than this share of all changes hardly moves. */
const SMALL_SHARE = 0.01;

/** A server has at most so many terms, counting each of 16 prompts. */
const MAX_TERMS = 32;
const MAX_NAME = 40;

/** @typedef {{key: string, name: string, meaning: string, values: (number | null)[]}} Series */

/**
 * The terms of the metric `losses`. A term of several prompts is divided among them.
 * @param {any} losses
 * @returns {{key: string, name: string, meaning: string, value: number}[]}
 */
function terms(losses) {
  const prompts = Array.isArray(losses?.prompts) ? losses.prompts : [];
  const found = [];
  for (const [name, value] of Object.entries(losses ?? {})) {
    if (name === 'clip' && prompts.length > 1) {
      for (const [place, part] of prompts.entries()) {
        const text = shortened(String(part?.prompt ?? ''));
        found.push({
          key: `clip ${place}`,
          name: `clip “${text}”`,
          meaning: MEANINGS.clip,
          value: part?.loss,
        });
      }
    } else if (name !== 'prompts') {
      found.push({ key: name, name: shortened(name), meaning: MEANINGS[name] ?? '', value });
    }
  }
  return found.filter(({ value }) => Number.isFinite(value)).slice(0, MAX_TERMS);
}

/** @param {string} text */
const shortened = text => (text.length > MAX_NAME ? `${text.slice(0, MAX_NAME)}…` : text);

/** The values of every term; a value is null where a frame has none. */
export class LossTable {
  constructor() {
    /** The step of every frame. @type {number[]} */
    this.steps = [];
    /** @type {Map<string, Series>} */
    this.series = new Map();
  }

  /**
   * Sets the step and the losses of a frame.
   * @param {number} index
   * @param {number} step
   * @param {unknown} losses
   */
  set(index, step, losses) {
    while (this.steps.length <= index) {
      this.steps.push(step);
      for (const series of this.series.values()) {
        series.values.push(null);
      }
    }
    this.steps[index] = step;
    for (const { key, name, meaning, value } of terms(losses)) {
      let series = this.series.get(key);
      if (!series) {
        series = { key, name, meaning, values: this.steps.map(() => null) };
        this.series.set(key, series);
      }
      series.values[index] = value;
    }
  }
}

/**
 * A line about a term: its first and newest values, and whether it has any effect.
 * @param {Series} series
 * @param {number} movement the sum of the ranges of all terms except the total
 */
export function summary(series, movement) {
  const values = series.values.filter(value => value !== null);
  const range = rangeOf(series);
  const share = movement > 0 ? range / movement : 0;
  let effect = '';
  if (values.length > 1 && series.key !== 'total') {
    effect = range === 0 ? 'does nothing' : share < SMALL_SHARE ? 'hardly moves' : '';
  }
  return { first: values[0] ?? null, last: values.at(-1) ?? null, share, effect };
}

/** The difference between the largest and the smallest value. @param {Series} series */
export function rangeOf(series) {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of series.values) {
    if (value !== null) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high > low ? high - low : 0;
}
