/** The page: loads what it needs, and puts its parts together. */

import { Announcements } from './announce.js';
import { openapiDocument, server } from './api.js';
import { Card, GoOn } from './card.js';
import { Comparison } from './compare.js';
import { chosen, drawings, resume, watchDrawings, watchServer } from './drawings.js';
import { loadHistory } from './history.js';
import { History, Others } from './history_list.js';
import { html } from './html.js';
import { fields, numberOf, watchInputs } from './inputs.js';
import { Keep } from './keep.js';
import { Playback } from './playback.js';
import { LossPlot } from './plot.js';
import { Prompt } from './prompt.js';
import { hasRegion, RegionOverlay, regionIsShown } from './region.js';
import { readFields } from './schema.js';
import { Settings } from './settings.js';
import { readLink } from './share.js';
import { TokenDialog } from './token.js';
import { render } from './vendor/preact.js';
import { signal } from './vendor/signals.js';

/** Why the page cannot be used, if that is so. */
const problem = signal('');

/** The paper before the first drawing. */
function EmptyPaper() {
  const ratio = `${numberOf('canvas_width', 224)} / ${numberOf('canvas_height', 224)}`;
  return html`<div class="card empty">
    <div class="paper" style=${{ aspectRatio: ratio }}>
      <p>Press “Draw”, and the drawing appears here.</p>
      ${regionIsShown.value && hasRegion() && html`<${RegionOverlay} />`}
    </div>
  </div>`;
}

function Stage() {
  const drawing = chosen.value;
  return html`<section class="stage" aria-label="Drawings">
    <${Comparison} />
    <div class=${drawings.value.length > 1 ? 'look several' : 'look'}>
    <div class="cards">
      ${drawings.value.map(one => html`<${Card} key=${one.id} drawing=${one} />`)}
      ${drawings.value.length === 0 && html`<${EmptyPaper} />`}
    </div>
    ${
      drawing &&
      html`<div class="about" key=${drawing.id}>
        <${Playback} drawing=${drawing} />
        <${LossPlot} drawing=${drawing} />
        <${Keep} drawing=${drawing} />
        <${GoOn} drawing=${drawing} />
      </div>`
    }
    </div>
    <${Others} />
    <${History} />
  </section>`;
}

function App() {
  return html`
    <header>
      <h1>clipdraw <span>studio</span></h1>
      <a href=${new URL('docs', server).href}>API</a>
    </header>
    <p class="problem" role="alert">${problem.value}</p>
    <main>
      <${Prompt} />
      <${Stage} />
      <${Settings} />
    </main>
    <${Announcements} />
    <${TokenDialog} />
  `;
}

async function start() {
  render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('page')));
  const history = loadHistory();
  try {
    fields.value = readFields(await openapiDocument());
  } catch {
    problem.value = 'The server cannot be reached. Reload the page to try again.';
    return;
  }
  readLink();
  addEventListener('hashchange', readLink);
  watchInputs();
  await history;
  resume();
  watchDrawings();
  watchServer();
}

start();
