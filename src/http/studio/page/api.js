/** The HTTP API of the server. The page uses nothing else. */
import { signal } from './vendor/signals.js';

/** The address of the server: the page's files are two folders below it. */
export const server = new URL('../../', import.meta.url);

const TOKEN = 'clipdraw-token';

/** The access token, kept until the tab is closed; empty if there is none. */
export const token = signal(sessionStorage.getItem(TOKEN) ?? '');

/** Whether the server has refused a request because of its token. */
export const needsToken = signal(false);

/** @param {string} text */
export function useToken(text) {
  sessionStorage.setItem(TOKEN, text);
  token.value = text;
  needsToken.value = false;
}

/** @typedef {{loc?: string[], msg?: string}} Detail */

/** A response that is an error. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Detail[]} detail
   */
  constructor(status, message, detail) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * The messages of a refusal, by the name of the input; those about something else have the name ''.
 * @param {unknown} detail
 * @returns {Map<string, string>}
 */
export function messagesByInput(detail) {
  const messages = new Map();
  for (const item of Array.isArray(detail) ? detail : []) {
    const path = Array.isArray(item?.loc) ? item.loc : [];
    const name = path[1] === 'input' && path[2] !== '__root__' ? String(path[2] ?? '') : '';
    const text = String(item?.msg ?? 'This is not allowed.');
    messages.set(name, messages.has(name) ? `${messages.get(name)} ${text}` : text);
  }
  return messages;
}

/**
 * Sends a request with the token.
 * @param {string} path
 * @param {RequestInit & {headers?: Record<string, string>}} options
 * @returns {Promise<Response>}
 */
export async function send(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { ...options.headers };
  if (token.value) {
    headers.Authorization = `Bearer ${token.value}`;
  }
  const sent = token.value;
  const response = await fetch(new URL(path, server), { ...options, headers });
  if (response.status === 401 && sent === token.value) {
    needsToken.value = true;
  }
  return response;
}

/**
 * The JSON of a response.
 * @param {string} path
 * @param {RequestInit & {headers?: Record<string, string>}} options
 * @returns {Promise<any>}
 */
async function json(path, options = {}) {
  const response = await send(path, options);
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Some errors of Cog's protocol are lines of text.
  }
  if (!response.ok) {
    const messages = messagesByInput(body?.detail);
    const message =
      body?.error ?? ([...messages.values()].join(' ') || text || response.statusText);
    throw new ApiError(response.status, String(message).slice(0, 1000), body?.detail ?? []);
  }
  if (body === null) {
    throw new ApiError(response.status, 'The server sent something that is not JSON.', []);
  }
  return body;
}

/** @param {unknown} body @param {Record<string, string>} headers */
const withBody = (body, headers = {}) => ({
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** The OpenAPI document of the whole server. */
export const openapiDocument = () => json('docs/openapi.json');

/** How many predictions are running and waiting; also when the server is not ready. */
export const readiness = async () => (await send('ready')).json();

/**
 * What the server thinks of inputs, without drawing them.
 * @param {Record<string, unknown>} input
 * @param {AbortSignal} [signal]
 * @returns {Promise<{detail: Detail[], prompts: {text: string, weight: number, stop?: number, tokens: number}[], token_limit: number}>}
 */
export const checkInputs = (input, signal) =>
  json('inputs', { method: 'POST', signal, ...withBody({ input }) });

/** @param {string} id */
const path = id => `predictions/${encodeURIComponent(id)}`;

/** @param {string} id @param {Record<string, unknown>} input */
export const startPrediction = (id, input) =>
  json(path(id), { method: 'PUT', ...withBody({ input }, { Prefer: 'respond-async' }) });

/** @param {string} id */
export const getPrediction = id => json(path(id));

/** @returns {Promise<any[]>} those that are waiting or being drawn, the newest first */
export async function unfinishedPredictions() {
  const list = await json('predictions?status=starting,processing');
  return Array.isArray(list.results) ? list.results : [];
}

/** @param {string} id */
export const cancelPrediction = id => json(`${path(id)}/cancel`, { method: 'POST' });

/**
 * Opens the event stream of a prediction.
 * @param {string} id
 * @param {number} after the number of the last event that is known, or 0
 * @param {AbortSignal} signal
 */
export function openEvents(id, after, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'text/event-stream' };
  if (after > 0) {
    headers['Last-Event-ID'] = String(after);
  }
  return send(path(id), { headers, signal, cache: 'no-store' });
}

/** An id that no other prediction has. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `studio-${[...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
}
