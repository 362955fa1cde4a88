/** Keeps a drawing: as a file, as the request that made it, or as a link. */
import { announce } from './announce.js';
import { blobOf } from './frames.js';
import { html } from './html.js';
import { toPng } from './png.js';
import { linkTo } from './share.js';
import { snippets } from './snippets.js';
import { partOf, readSvg, timelapse } from './svg.js';
import { useSignal } from './vendor/signals.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

const SCALES = [1, 2, 3, 4, 6, 8];
/** A timelapse has at most so many frames, or it would be larger than a browser likes. */
const MAX_TIMELAPSE = 40;
const SECONDS = 8;
const SVG = 'image/svg+xml';

/** A file name that every system takes. @param {Drawing} drawing @param {string} ending */
function fileName(drawing, ending) {
  const words =
    String(drawing.input.value.prompt ?? '')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? [];
  const name = words.join('-').slice(0, 40) || 'drawing';
  return `${name}-${drawing.input.value.seed ?? 0}${ending}`;
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  announce(`Saved as ${name}.`);
}

/** @param {string} text @param {string} what */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${what} copied.`);
    return true;
  } catch {
    announce('This browser does not let the page copy. Select the text instead.');
    return false;
  }
}

/** The drawing without its paper. @param {Blob} file */
async function withoutPaper(file) {
  const picture = readSvg(await file.text());
  return picture ? new Blob([partOf(picture, picture.strokes.length, false)], { type: SVG }) : file;
}

/** @param {Drawing} drawing @param {boolean} withPaper */
async function saveTimelapse(drawing, withPaper) {
  const all = drawing.frames.kept;
  const stride = Math.max(1, Math.ceil(all.length / MAX_TIMELAPSE));
  const some = all.filter((frame, place) => place % stride === 0 || frame === drawing.frames.last);
  const texts = await Promise.all(some.map(frame => blobOf(frame)?.text() ?? ''));
  const pictures = texts.map(readSvg).filter(picture => picture !== null);
  if (pictures.length > 0) {
    const text = timelapse(pictures, SECONDS, withPaper);
    save(new Blob([text], { type: SVG }), fileName(drawing, '-timelapse.svg'));
  }
}

/** @param {Drawing} drawing */
function saveRecipe(drawing) {
  const text = `${JSON.stringify({ input: drawing.input.value }, null, 2)}\n`;
  save(new Blob([text], { type: 'application/json' }), fileName(drawing, '.json'));
}

/** @param {{input: Record<string, any>}} props */
function Requests({ input }) {
  const all = snippets(input);
  const chosen = useSignal(all[0][0]);
  const text = all.find(([name]) => name === chosen.value)?.[1] ?? '';
  return html`<details class="requests">
    <summary>The same request as a command or a program</summary>
    <div class="row" role="group" aria-label="Language">
      ${all.map(
        ([name]) =>
          html`<button type="button" aria-pressed=${name === chosen.value} onClick=${() => {
            chosen.value = name;
          }}>${name}</button>`,
      )}
      <button type="button" class="copy" onClick=${() => copy(text, 'Request')}>Copy</button>
    </div>
    <pre tabindex="0" role="region" aria-label="Request"><code>${text}</code></pre>
  </details>`;
}

/** @param {{drawing: Drawing, file: Blob}} props */
function Files({ drawing, file }) {
  const withPaper = useSignal(true);
  const scale = useSignal(2);
  const isSvg = file.type === SVG;
  const chosenFile = () => (withPaper.value || !isSvg ? Promise.resolve(file) : withoutPaper(file));
  const onPng = async () => {
    const picture = isSvg ? await toPng(await chosenFile(), () => scale.value) : file;
    save(picture, fileName(drawing, '.png'));
  };
  return html`<div class="row">
    ${
      isSvg &&
      html`<button type="button" onClick=${async () => save(await chosenFile(), fileName(drawing, '.svg'))}>SVG</button>`
    }
    <button type="button" onClick=${onPng}>PNG</button>
    ${
      isSvg &&
      html`<label>
        PNG size
        <select onChange=${(/** @type {Event} */ event) => {
          scale.value = Number(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
        }}>
          ${SCALES.map(one => html`<option value=${one} selected=${one === scale.value}>${one}×</option>`)}
        </select>
      </label>
      <label>
        <input type="checkbox" checked=${withPaper.value} onChange=${() => {
          withPaper.value = !withPaper.value;
        }} />
        With paper
      </label>
      <button type="button" onClick=${() => saveTimelapse(drawing, withPaper.value)}>Timelapse</button>`
    }
  </div>`;
}

/** @param {{drawing: Drawing}} props */
export function Keep({ drawing }) {
  const frame = drawing.shown.value;
  const file = frame && blobOf(frame);
  const link = linkTo(drawing.input.value);
  return html`<section class="block" aria-labelledby="keep-title">
    <h3 id="keep-title">Save</h3>
    ${file && html`<${Files} drawing=${drawing} file=${file} />`}
    ${
      frame?.type === '' &&
      html`<p>The file is at <a href=${frame.data} rel="noreferrer noopener">${frame.data}</a>.</p>`
    }
    <div class="row">
      <button type="button" onClick=${() => saveRecipe(drawing)}>Recipe</button>
      <button type="button" class="link" onClick=${() => copy(link, 'Link')}>Copy link</button>
      <a class="same" href=${link}>Link to these settings</a>
    </div>
    <${Requests} input=${drawing.input.value} />
  </section>`;
}
