/** Two drawings side by side, with the inputs that differ. */
import { blobOf } from './frames.js';
import { html } from './html.js';
import { FileImage } from './picture.js';
import { shownValue } from './schema.js';
import { signal } from './vendor/signals.js';

/** @typedef {{id: string, input: Record<string, any>, picture: Blob | null}} Item */

/** The drawings that are compared, at most two. @type {import('./vendor/signals.js').Signal<Item[]>} */
export const compared = signal([]);

/** @param {string} id */
export const isCompared = id => compared.value.some(item => item.id === id);

/** Adds a drawing to the comparison, or takes it away. @param {Item} item */
export function toggleCompared(item) {
  const others = compared.value.filter(({ id }) => id !== item.id);
  compared.value = isCompared(item.id) ? others : [...others.slice(-1), item];
}

/** @param {import('./drawing.js').Drawing} drawing @returns {Item} */
export const itemOf = drawing => ({
  id: drawing.id,
  input: drawing.input.value,
  picture: drawing.frames.last ? blobOf(drawing.frames.last) : null,
});

/** @param {{a: Item, b: Item}} props */
function Differences({ a, b }) {
  const names = [...new Set([...Object.keys(a.input), ...Object.keys(b.input)])];
  const different = names.filter(name => a.input[name] !== b.input[name]);
  if (different.length === 0) {
    return html`<p>All inputs are the same.</p>`;
  }
  return html`<table class="differences">
    <caption class="unseen">The inputs that differ</caption>
    <thead>
      <tr><th scope="col">Input</th><th scope="col">Left</th><th scope="col">Right</th></tr>
    </thead>
    <tbody>
      ${different.map(
        name => html`<tr key=${name}>
          <th scope="row">${name}</th>
          <td><bdi>${shownValue(a.input[name] ?? '–')}</bdi></td>
          <td><bdi>${shownValue(b.input[name] ?? '–')}</bdi></td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

export function Comparison() {
  const [a, b] = compared.value;
  if (!a) {
    return null;
  }
  const stop = html`<button type="button" onClick=${() => {
    compared.value = [];
  }}>Close</button>`;
  if (!b) {
    return html`<section class="block comparison" aria-labelledby="compare-title">
      <h2 id="compare-title">Compare</h2>
      <p>Choose another drawing to compare it with. ${stop}</p>
    </section>`;
  }
  return html`<section class="block comparison" aria-labelledby="compare-title">
    <h2 id="compare-title">Compare</h2>
    <div class="pair">
      <${FileImage} blob=${a.picture} label=${`Left: ${a.input.prompt}`} />
      <${FileImage} blob=${b.picture} label=${`Right: ${b.input.prompt}`} />
    </div>
    <${Differences} a=${a} b=${b} />
    ${stop}
  </section>`;
}
