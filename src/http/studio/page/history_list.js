/** The list of earlier drawings. */
import { isCompared, toggleCompared } from './compare.js';
import { drawings, open, others, watch } from './drawings.js';
import { addThumbnail, clearHistory, entries, forget, historyProblem } from './history.js';
import { html } from './html.js';
import { FileImage } from './picture.js';
import { useEffect } from './vendor/hooks.js';
import { useSignal } from './vendor/signals.js';

/** @typedef {import('./history.js').Entry} Entry */

const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** @param {Entry} entry */
async function onOpen(entry) {
  await open(entry);
  document.querySelector('.card.chosen')?.scrollIntoView({ block: 'nearest' });
}

/** @param {{entry: Entry}} props */
function Earlier({ entry }) {
  const prompt = String(entry.input.prompt ?? '');
  useEffect(() => {
    if (!entry.thumbnail) {
      addThumbnail(entry);
    }
  }, [entry]);
  return html`<li class="earlier">
    <button type="button" class="picture" aria-label=${`Open: ${prompt}`} onClick=${() => onOpen(entry)}>
      <${FileImage} blob=${entry.thumbnail ?? entry.picture} label="" />
    </button>
    <p class="name"><bdi>${prompt}</bdi></p>
    <p class="quiet">${when.format(entry.created)}, seed ${entry.input.seed ?? '?'}</p>
    <div class="row">
      <button type="button" aria-pressed=${isCompared(entry.id)} onClick=${() => toggleCompared(entry)}>Compare</button>
      <button type="button" class="icon" aria-label=${`Delete: ${prompt}`} onClick=${() => forget(entry.id)}>×</button>
    </div>
  </li>`;
}

export function History() {
  const isSure = useSignal(false);
  const unfinished = drawings.value.filter(drawing => !drawing.isFinal.value).map(({ id }) => id);
  const earlier = entries.value.filter(({ id }) => !unfinished.includes(id));
  if (earlier.length === 0 && !historyProblem.value) {
    return null;
  }
  return html`<section class="block history" aria-labelledby="history-title">
    <h2 id="history-title">Earlier drawings</h2>
    <p class="problem">${historyProblem.value}</p>
    <ul>
      ${earlier.map(entry => html`<${Earlier} key=${entry.id} entry=${entry} />`)}
    </ul>
    ${
      earlier.length > 0 &&
      html`<p class="row">
        <button
          type="button"
          onClick=${() => {
            if (isSure.value) {
              clearHistory();
            }
            isSure.value = !isSure.value;
          }}
        >
          ${isSure.value ? 'Really delete all of them' : 'Delete all of them'}
        </button>
        <span class="hint">They are kept in this browser only.</span>
      </p>`
    }
  </section>`;
}

/** What others draw on this server. */
export function Others() {
  if (others.value.length === 0) {
    return null;
  }
  return html`<section class="block" aria-labelledby="others-title">
    <h2 id="others-title">Also being drawn on this server</h2>
    <ul class="plain">
      ${others.value.map(
        state => html`<li key=${state.id} class="row">
          <bdi>${String(state.input?.prompt ?? '')}</bdi>
          <button type="button" onClick=${() => watch(state)}>Watch</button>
        </li>`,
      )}
    </ul>
  </section>`;
}
