/** What a screen reader says about events on the page. */
import { html } from './html.js';
import { signal } from './vendor/signals.js';

const text = signal('');

/** @param {string} words */
export function announce(words) {
  text.value = words;
}

/** The live region. Nobody sees it. */
export const Announcements = () => html`<p class="unseen" role="status">${text.value}</p>`;
