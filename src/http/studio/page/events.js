/** Follows the event stream of a prediction to its end, through interruptions. */
import { needsToken, openEvents, token } from './api.js';
import { createParser } from './vendor/eventsource-parser.js';

/** The longest event that is read, in characters: the largest frame is some megabytes. */
const MAX_EVENT = 1 << 26;
/** The server sends a comment every 15 seconds; after this silence the connection counts as lost. */
const SILENCE = 40_000;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5000;
/** So many unreadable responses in a row, and the stream is given up. */
const MAX_UNREADABLE = 5;

/**
 * @typedef {object} Listener
 * @property {(name: string, data: any, number: number) => void} event an event, with its number
 * @property {(isConnected: boolean) => void} connection whether events can arrive
 * @property {(skipped: number) => Promise<void>} missed events that the server no longer has
 */

/** @typedef {'completed' | 'unknown' | 'unreadable' | 'stopped'} End */

class Unreadable extends Error {}

/**
 * Reads one response to its end.
 * @param {Response} response
 * @param {(name: string, data: any, number: number) => void} onEvent
 * @param {() => void} onBytes
 */
async function read(response, onEvent, onBytes) {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) {
    throw new Unreadable('The server did not send events.');
  }
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: ({ event, data, id }) => {
      let value;
      try {
        value = JSON.parse(data);
      } catch {
        throw new Unreadable('The server sent an event that cannot be read.');
      }
      onEvent(event ?? 'message', value, Number(id) || 0);
    },
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      onBytes();
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal */
function pause(milliseconds, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds);
    const end = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    signal.addEventListener('abort', end, { once: true });
    // The network is back: no reason to wait.
    addEventListener('online', end, { once: true });
  });
}

/** Waits until another token is given. @param {AbortSignal} signal */
async function otherToken(signal) {
  const refused = token.value;
  while (!signal.aborted && needsToken.value && token.value === refused) {
    await pause(200, signal);
  }
}

/** One connection: what a status means, and the events. */
class Connection {
  /** @param {string} id @param {Listener} listener @param {AbortSignal} signal */
  constructor(id, listener, signal) {
    this.id = id;
    this.listener = listener;
    this.signal = signal;
    this.heard = 0;
  }

  /**
   * Opens the stream after event `after` and reads it.
   * @param {number} after
   * @returns {Promise<{after: number, end: End | null}>} the last event, and whether the stream has ended
   */
  async run(after) {
    const silence = new AbortController();
    const stop = () => silence.abort();
    this.signal.addEventListener('abort', stop, { once: true });
    let timer = setTimeout(stop, SILENCE);
    this.heard = 0;
    let last = after;
    let skipped = 0;
    /** @type {End | null} */
    let end = null;
    try {
      const response = await openEvents(this.id, after, silence.signal);
      if (response.status === 204 || response.status === 404) {
        return { after, end: response.status === 204 ? 'completed' : 'unknown' };
      }
      if (response.status === 401) {
        await otherToken(this.signal);
        return { after, end: null };
      }
      if (!response.ok) {
        throw new Error(response.statusText);
      }
      const onEvent = (
        /** @type {string} */ name,
        /** @type {any} */ data,
        /** @type {number} */ number,
      ) => {
        this.heard += 1;
        if (name === 'error') {
          skipped = Number(data?.skipped) || 0;
          return;
        }
        last = number || last;
        this.listener.event(name, data, last);
        end = name === 'completed' ? 'completed' : end;
      };
      await read(response, onEvent, () => {
        this.listener.connection(true);
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE);
      });
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener('abort', stop);
      this.last = last;
    }
    if (skipped > 0) {
      await this.listener.missed(skipped);
      last += skipped;
    }
    return { after: last, end };
  }
}

/**
 * Follows a prediction. Connections that break are opened again after the last event.
 * @param {string} id
 * @param {number} after the number of the last event that is known, or 0
 * @param {Listener} listener
 * @param {AbortSignal} signal
 * @returns {Promise<End>}
 */
export async function follow(id, after, listener, signal) {
  let last = after;
  let wait = FIRST_PAUSE;
  let unreadable = 0;
  const connection = new Connection(id, listener, signal);
  while (!signal.aborted) {
    try {
      const found = await connection.run(last);
      last = found.after;
      if (found.end) {
        return found.end;
      }
    } catch (error) {
      last = connection.last ?? last;
      if (error instanceof Unreadable) {
        unreadable += 1;
      }
    }
    if (connection.heard > 0) {
      wait = FIRST_PAUSE;
      // Something was read before, so the server is not all wrong.
      unreadable = Math.min(unreadable, 1);
    }
    if (unreadable >= MAX_UNREADABLE) {
      return 'unreadable';
    }
    if (signal.aborted) {
      break;
    }
    listener.connection(false);
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_PAUSE);
  }
  return 'stopped';
}
