/** A drawing among the others: its picture, how far it is, and what can be done with it. */
import { compared, isCompared, itemOf, toggleCompared } from './compare.js';
import { secondsLeft } from './drawing.js';
import { choose, chosen, draw, remove } from './drawings.js';
import { blobOf } from './frames.js';
import { html } from './html.js';
import { fieldOf, replaceAll, rollSeed, seedIsLocked, set } from './inputs.js';
import { DrawingImage, FileImage } from './picture.js';
import { hasRegion, RegionOverlay, regionIsShown } from './region.js';
import { dataUrl } from './schema.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) {
    return `${Math.ceil(seconds)} s`;
  }
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** How a drawing is doing, in words. @param {Drawing} drawing */
function progress(drawing) {
  if (!drawing.isConnected.value && !drawing.isFinal.value) {
    return 'The connection was lost. Trying again …';
  }
  switch (drawing.status.value) {
    case 'sending':
      return 'Sending …';
    case 'starting': {
      const ahead = drawing.ahead.value;
      const before = ahead ? `${ahead} before it` : 'it is next';
      return ahead === null ? 'Waiting …' : `Waiting in the queue: ${before}`;
    }
    case 'processing': {
      const left = secondsLeft(drawing);
      const speed = `${drawing.speed.value.toFixed(1)} steps/s`;
      const time = left === null ? '' : `, ${duration(left)} left`;
      return `Step ${drawing.step.value} of ${drawing.steps}, ${speed}${time}`;
    }
    case 'succeeded':
      return `Finished after ${drawing.steps} ${drawing.steps === 1 ? 'step' : 'steps'}`;
    case 'canceled':
      return `Stopped at step ${drawing.step.value}`;
    default:
      return 'Failed';
  }
}

/** The newest frames of the other drawings of a prediction. @param {{drawing: Drawing}} props */
function Others({ drawing }) {
  const { outputs } = drawing;
  const first = Number(drawing.input.value.seed) || 0;
  const frames = drawing.others.value.map(frame => ({ ...frame, blob: blobOf(frame) }));
  const shown = frames.filter(({ blob }) => blob);
  const rest = shown.length > 0 ? '; the newest frames of the others are below' : '';
  return html`<p class="hint">Drawing 1 of ${outputs}${rest}.</p>
    <ul class="others">
      ${shown.map(
        ({ number, step, blob }) =>
          html`<li key=${number}>
            <${FileImage} blob=${blob} label=${`Drawing ${number} of ${outputs}, step ${step}`} />
            <span class="quiet">seed ${first + number - 1}</span>
          </li>`,
      )}
    </ul>`;
}

/** @param {{drawing: Drawing}} props */
export function Card({ drawing }) {
  const isChosen = chosen.value === drawing;
  const prompt = String(drawing.input.value.prompt ?? '');
  const { canvas_width: width = 224, canvas_height: height = 224 } = drawing.input.value;
  const isRunning = !drawing.isFinal.value;
  return html`<article class=${isChosen ? 'card chosen' : 'card'} aria-label=${`Drawing: ${prompt}`}>
    <div class="paper" style=${{ aspectRatio: `${Number(width) || 1} / ${Number(height) || 1}` }}>
      <${DrawingImage} drawing=${drawing} label=${`Drawing of ${prompt}, step ${drawing.shown.value?.step ?? 0}`} />
      ${isChosen && regionIsShown.value && hasRegion() && html`<${RegionOverlay} />`}
    </div>
    ${drawing.outputs > 1 && html`<${Others} drawing=${drawing} />`}
    <h3><bdi>${prompt}</bdi></h3>
    <progress max=${drawing.steps || 1} value=${drawing.step.value} aria-label="Steps drawn"></progress>
    <p class="state">${progress(drawing)} <span class="quiet">seed ${drawing.input.value.seed ?? '?'}</span></p>
    <p class="problem">${drawing.message.value}</p>
    <div class="row">
      ${isRunning && html`<button type="button" class="stop" onClick=${() => drawing.cancel()}>Stop and keep</button>`}
      ${!isChosen && html`<button type="button" onClick=${() => choose(drawing)}>Look closer</button>`}
      <button type="button" aria-pressed=${isCompared(drawing.id)} onClick=${() => toggleCompared(itemOf(drawing))}>
        ${compared.value.length === 1 && !isCompared(drawing.id) ? 'Compare with this' : 'Compare'}
      </button>
      <button type="button" onClick=${() => remove(drawing)}>Close</button>
    </div>
  </article>`;
}

/** Takes a drawing's inputs as the settings. @param {Drawing} drawing @param {boolean} withSeed */
function adopt(drawing, withSeed) {
  replaceAll(drawing.input.value);
  seedIsLocked.value = withSeed;
  if (!withSeed) {
    rollSeed();
  }
}

/** Sets the drawing as what the next one starts from. @param {Drawing} drawing */
async function continueFrom(drawing) {
  const frame = drawing.shown.value;
  const file = frame && blobOf(frame);
  if (file) {
    adopt(drawing, true);
    set({ init_svg: await dataUrl(file) });
    document.getElementById('prompt')?.focus();
  }
}

/** @param {{drawing: Drawing}} props */
export function GoOn({ drawing }) {
  const again = () => {
    adopt(drawing, false);
    draw();
  };
  const change = () => {
    adopt(drawing, true);
    document.getElementById('prompt')?.focus();
  };
  return html`<section class="block" aria-labelledby="go-on-title">
    <h3 id="go-on-title">Continue</h3>
    <div class="row">
      <button type="button" onClick=${again}>Again with another seed</button>
      <button type="button" onClick=${change}>This seed with other settings</button>
      ${
        fieldOf('init_svg') &&
        html`<button type="button" onClick=${() => continueFrom(drawing)}>Continue from this drawing</button>`
      }
    </div>
  </section>`;
}
