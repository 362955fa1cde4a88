/**
 * One drawing: what the server reports about it, as signals for the page. A prediction may have several drawings; the first
 * one is shown with all its frames and losses, and of the others the newest frame.
 */
import { ApiError, cancelPrediction, getPrediction, startPrediction } from './api.js';
import { follow } from './events.js';
import { Frames, readFile } from './frames.js';
import { LossTable } from './losses.js';
import { withRest } from './pace.js';
import { withContents } from './schema.js';
import { batch, computed, signal } from './vendor/signals.js';

/** @typedef {'sending' | 'starting' | 'processing' | 'succeeded' | 'canceled' | 'failed'} Status */

/** @typedef {import('./frames.js').Frame & {number: number}} OtherFrame a frame of the drawing of that number, from 2 */

/** Statuses that do not change again. */
const FINAL = ['succeeded', 'canceled', 'failed'];
const GONE = 'The server no longer knows this drawing. What was drawn so far is kept here.';
/** How often the request is sent if the server cannot be reached, with longer and longer pauses. */
const ATTEMPTS = 4;
const ATTEMPT_PAUSE = 400;
const RUBBISH = 'The server sent something that this page cannot read.';

export class Drawing {
  /**
   * @param {string} id
   * @param {Record<string, any>} input
   */
  constructor(id, input) {
    this.id = id;
    this.created = Date.now();
    this.frames = new Frames();
    this.losses = new LossTable();
    /** The number of the last event. */
    this.after = 0;
    this.input = signal(input);
    this.status = signal(/** @type {Status} */ ('sending'));
    this.message = signal('');
    this.isConnected = signal(true);
    /** How many drawings are before this one in the queue. */
    this.ahead = signal(/** @type {number | null} */ (null));
    this.step = signal(0);
    this.speed = signal(0);
    /** The number of frames that have arrived. */
    this.count = signal(0);
    /** The index of the frame that is looked at; null means the newest. */
    this.looked = signal(/** @type {number | null} */ (null));
    /** How many strokes of it are shown; null means all. */
    this.strokes = signal(/** @type {number | null} */ (null));
    this.shown = computed(() => {
      this.count.value;
      return this.looked.value === null ? this.frames.last : this.frames.at(this.looked.value);
    });
    this.isFinal = computed(() => FINAL.includes(this.status.value));
    /** Called when the status is final, with the drawing. @type {(drawing: Drawing) => void} */
    this.onEnd = () => {};
    this.stopping = new AbortController();
    /** The newest frames of the other drawings of the prediction, in order. @type {import('./vendor/signals.js').Signal<OtherFrame[]>} */
    this.others = signal([]);
    /** The same by the number of the drawing, before they are shown. @type {Map<number, OtherFrame>} */
    this.newest = new Map();
    /** The metrics of the frame that comes next. @type {{drawing?: number, step?: number, losses?: unknown}} */
    this.next = {};
    this.arrived = 0;
    this.isScheduled = false;
    this.isStale = false;
  }

  get steps() {
    return Number(this.input.value.num_iterations) || 0;
  }

  /** The number of drawings of the prediction. */
  get outputs() {
    return Math.max(1, Number(this.input.value.num_outputs) || 1);
  }

  /** Sends the request and follows it. */
  async start() {
    try {
      const state = await this.send();
      this.input.value = withContents(state.input ?? this.input.value, this.input.value);
      this.status.value = state.status;
    } catch (error) {
      this.end(
        'failed',
        error instanceof ApiError ? error.message : 'The server cannot be reached.',
      );
      throw error;
    }
    await this.follow();
  }

  /** Sends the request. A repetition starts nothing twice, because the id is the same. */
  async send() {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await startPrediction(this.id, this.input.value);
      } catch (error) {
        if (error instanceof ApiError || attempt === ATTEMPTS) {
          throw error;
        }
        await new Promise(resolve => setTimeout(resolve, attempt * ATTEMPT_PAUSE));
      }
    }
  }

  /** Follows the events to the end. */
  async follow() {
    const end = await follow(
      this.id,
      this.after,
      {
        event: (name, data, number) => this.onEvent(name, data, number),
        connection: isConnected => {
          this.isConnected.value = isConnected;
        },
        missed: () => this.catchUp(),
      },
      this.stopping.signal,
    );
    if (end === 'unknown') {
      this.end('failed', GONE);
    } else if (end === 'unreadable') {
      this.end('failed', RUBBISH);
    } else if (end === 'completed' && !this.isFinal.value) {
      await this.catchUp();
    }
  }

  /** Stops listening; the drawing itself goes on. */
  leave() {
    this.stopping.abort();
  }

  /** Asks the server to stop; what was drawn is kept. */
  async cancel() {
    try {
      await cancelPrediction(this.id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) {
        this.message.value = 'The server cannot be reached. Try again.';
      }
    }
  }

  /** Reads the whole state: its files replace events that the server no longer has. */
  async catchUp() {
    const state = await getPrediction(this.id);
    const files = Array.isArray(state.output) ? state.output : [];
    this.addFiles(state, files);
    this.adopt(state);
  }

  /** Adds the files of a whole state, without the animations. @param {any} state @param {unknown[]} files */
  addFiles(state, files) {
    const outputs = this.outputs;
    // After each frame of all drawings come their next ones; the animations are before the finished drawings.
    const finished = files.length - outputs;
    const hasAnimations = isAnimated(state.input) && state.status === 'succeeded';
    files.forEach((file, index) => {
      if (!hasAnimations || index < finished - outputs || index >= finished) {
        const step = Math.floor(index / outputs) * (Number(state.input?.display_frequency) || 1);
        this.addFileOf((index % outputs) + 1, index, file, step);
      }
    });
  }

  /**
   * @param {string} name
   * @param {any} data
   * @param {number} number
   */
  onEvent(name, data, number) {
    this.after = number;
    if (name === 'start') {
      this.status.value = 'processing';
    } else if (name === 'metric') {
      this.onMetric(data?.name, data?.value);
    } else if (name === 'output') {
      // The metrics of a frame come before it. The animation has none.
      const number = this.next.drawing ?? (this.outputs === 1 ? 1 : 0);
      if (number > 0 && (this.next.step !== undefined || !isAnimated(this.input.value))) {
        this.addFileOf(number, Number(data?.index), data?.chunk, this.next.step ?? 0);
      }
      this.next = {};
    } else if (name === 'completed') {
      this.adopt(data ?? {});
    }
  }

  /** @param {unknown} name @param {any} value */
  onMetric(name, value) {
    if (name === 'drawing') {
      this.next.drawing = Number(value) || 0;
    } else if (name === 'step') {
      this.next.step = Number(value) || 0;
    } else if (name === 'losses') {
      this.next.losses = value;
    } else if (name === 'steps_per_second') {
      this.latestSpeed = Number(value) || 0;
    }
  }

  /**
   * Adds a file of the drawing with that number, from 1; `index` is its place among the files of all drawings.
   * @param {number} number
   * @param {number} index
   * @param {unknown} file
   * @param {number} step
   */
  addFileOf(number, index, file, step) {
    if (number === 1) {
      this.addFile(Math.floor(index / this.outputs), file, step);
      return;
    }
    const read = readFile(file);
    if (read && Number.isSafeInteger(index) && number <= this.outputs) {
      const shown = Math.min(step, this.steps || step);
      this.newest.set(number, { number, index, step: shown, size: read.data.length, ...read });
      this.schedule();
    }
  }

  /**
   * @param {number} index
   * @param {unknown} file
   * @param {number} step
   */
  addFile(index, file, step) {
    const read = readFile(file);
    if (!Number.isSafeInteger(index) || index < 0 || index > 1_000_000 || !read) {
      return;
    }
    this.losses.set(index, Math.min(step, this.steps || step), this.next.losses);
    this.frames.add({ index, step: this.losses.steps[index], size: read.data.length, ...read });
    this.arrived = Math.max(this.arrived, index + 1);
    this.schedule();
  }

  /** Shows what has arrived, once for many events. */
  async schedule() {
    this.isStale = true;
    if (this.isScheduled) {
      return;
    }
    this.isScheduled = true;
    while (this.isStale) {
      await withRest(() => this.show());
    }
    this.isScheduled = false;
  }

  show() {
    this.isStale = false;
    batch(() => {
      this.step.value = this.frames.last?.step ?? 0;
      this.speed.value = this.latestSpeed ?? 0;
      this.count.value = this.arrived;
      this.others.value = [...this.newest.values()].sort((a, b) => a.number - b.number);
    });
  }

  /** Takes over a state of the server. @param {any} state */
  adopt(state) {
    if (state.input && typeof state.input === 'object') {
      this.input.value = withContents(state.input, this.input.value);
    }
    if (Array.isArray(state.output) && this.arrived === 0) {
      this.addFiles(state, state.output);
    }
    if (FINAL.includes(state.status)) {
      this.end(state.status, typeof state.error === 'string' ? state.error : '');
    } else if (state.status === 'starting' || state.status === 'processing') {
      this.status.value = state.status;
    }
  }

  /** @param {Status} status @param {string} message */
  end(status, message) {
    if (this.isFinal.value) {
      return;
    }
    this.show();
    batch(() => {
      this.status.value = status;
      this.message.value = message;
      this.isConnected.value = true;
      this.ahead.value = null;
    });
    this.onEnd(this);
  }
}

/** Whether the output has an animation besides the frames. @param {any} input */
const isAnimated = input => (input?.animation ?? 'none') !== 'none';

/** The seconds that a drawing still takes; null if that is not known. @param {Drawing} drawing */
export function secondsLeft(drawing) {
  const speed = drawing.speed.value;
  if (drawing.status.value !== 'processing' || speed <= 0) {
    return null;
  }
  return Math.max(0, drawing.steps - drawing.step.value) / speed;
}
