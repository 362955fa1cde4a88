/** Small pictures for buttons. The buttons have names of their own. */
import { html } from './html.js';

const PATHS = {
  die: 'M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM8 8h.01M16 8h.01M12 12h.01M8 16h.01M16 16h.01',
  locked: 'M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3',
  open: 'M6 11h12v9H6zM8 11V7a4 4 0 0 1 7.5-2',
};

/** @param {{name: keyof typeof PATHS}} props */
export const Icon = ({ name }) =>
  html`<svg class="glyph" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
