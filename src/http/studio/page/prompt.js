/** The prompt, its parts as chips, the seed and the button that draws. */
import { draw, serverProblem } from './drawings.js';
import { html } from './html.js';
import { Icon } from './icons.js';
import { fieldOf, inputValue, problems, reading, rollSeed, seedIsLocked, set } from './inputs.js';

const EXAMPLES = [
  'a hamburger',
  'a red fox',
  'a sailing boat',
  'a strawberry',
  'a house | watercolor:0.5',
  'a tree | text:-0.3 | scribble:-0.3',
];

/** @typedef {{text: string, weight: number, stop?: number, tokens: number}} Part */

/**
 * A part as the prompt has it. The weight is written where the text alone would be read differently, and the stop where the
 * part does not act to the end.
 * @param {{text: string, weight: number, stop?: number}} part
 */
export function writePart({ text, weight, stop = 1 }) {
  // A bar would begin another part, and a backslash would change what follows it.
  const escaped = text.replace(/[\\|]/g, '\\$&');
  if (weight === 1 && stop === 1 && !text.includes(':')) {
    return escaped;
  }
  const numbers = stop === 1 ? `:${weight}` : `:${weight}:${stop}`;
  // Between two digits, a colon would belong to the text; after a number, it could be read as a stop.
  return /[\d.]$/.test(text) ? `${escaped} ${numbers}` : `${escaped}${numbers}`;
}

/** @param {Part[]} parts */
function setParts(parts) {
  set({ prompt: parts.map(writePart).join(' | ') });
  // Until the server has read the prompt again, these are its parts.
  reading.value = { ...reading.value, prompts: parts };
}

/** @param {Event} event */
const textOf = event => /** @type {HTMLInputElement} */ (event.currentTarget).value;

/** @param {{part: Part, place: number}} props */
function Chip({ part, place }) {
  const { prompts, token_limit: limit } = reading.value;
  const isTooLong = limit > 0 && part.tokens > limit;
  const change = (/** @type {Partial<Part>} */ changes) =>
    setParts(prompts.map((other, index) => (index === place ? { ...other, ...changes } : other)));
  const number = place + 1;
  return html`<li class=${`chip ${part.weight < 0 ? 'less' : ''} ${isTooLong ? 'wrong' : ''}`}>
    <span class="sign" aria-hidden="true">${part.weight < 0 ? '−' : '+'}</span>
    <input
      class="chip-text"
      dir="auto"
      aria-label=${`Text of part ${number}`}
      value=${part.text}
      onChange=${(/** @type {Event} */ event) => change({ text: textOf(event) })}
    />
    <input
      class="chip-weight"
      type="number"
      min="-10"
      max="10"
      step="0.1"
      aria-label=${`Weight of part ${number}`}
      value=${part.weight}
      onChange=${(/** @type {Event} */ event) => change({ weight: Number(textOf(event)) || 0 })}
    />
    ${(part.stop ?? 1) < 1 && html`<span class="tokens">until ${part.stop} of the steps</span>`}
    <span class="tokens">${part.tokens} of ${limit} tokens</span>
    ${
      prompts.length > 1 &&
      html`<button
        type="button"
        class="icon"
        aria-label=${`Remove part ${number}`}
        onClick=${() => setParts(prompts.filter((_, index) => index !== place))}
      >
        ×
      </button>`
    }
  </li>`;
}

/** Adds a part to the prompt. @param {string} text @param {number} weight */
const add = (text, weight) => setParts([...reading.value.prompts, { text, weight, tokens: 0 }]);

/** The parts, where there is more to say about them than the text itself does. */
function Chips() {
  const { prompts, token_limit: limit } = reading.value;
  const isPlain =
    prompts.length === 1 &&
    prompts[0].weight === 1 &&
    (prompts[0].stop ?? 1) === 1 &&
    prompts[0].tokens <= limit;
  if (isPlain || prompts.length === 0) {
    return null;
  }
  return html`<ul class="chips" aria-label="Parts of the prompt with their weights">
    ${prompts.map((part, place) => html`<${Chip} key=${place} part=${part} place=${place} />`)}
  </ul>`;
}

function Examples() {
  return html`<p class="row examples">
    <span>Try:</span>
    ${EXAMPLES.map(
      text =>
        html`<button type="button" class="example" onClick=${() => set({ prompt: text })}>${text}</button>`,
    )}
  </p>`;
}

function Seed() {
  const field = fieldOf('seed');
  return html`<div class="seed">
    <label for="seed">Seed</label>
    <input
      id="seed"
      type="number"
      min=${field?.min}
      max=${field?.max}
      step="1"
      placeholder="random"
      value=${inputValue('seed')}
      aria-invalid=${problems.value.has('seed')}
      aria-describedby="seed-problem"
      onInput=${(/** @type {Event} */ event) => {
        set({ seed: textOf(event) });
        seedIsLocked.value = textOf(event) !== '';
      }}
    />
    <button type="button" onClick=${rollSeed} aria-label="Another seed" title="Another seed"><${Icon} name="die" /></button>
    <button
      type="button"
      aria-pressed=${seedIsLocked.value}
      aria-label="Keep this seed"
      title="Keep this seed for the next drawing"
      onClick=${() => {
        seedIsLocked.value = !seedIsLocked.value;
      }}
    >
      <${Icon} name=${seedIsLocked.value ? 'locked' : 'open'} />
    </button>
    <span id="seed-problem" class="problem">${problems.value.get('seed')}</span>
  </div>`;
}

/** Draws, or shows what is wrong. */
async function onDraw() {
  const name = await draw();
  if (name) {
    const control = document.getElementById(name);
    control?.closest('details')?.setAttribute('open', '');
    control?.focus();
  }
}

export function Prompt() {
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onDraw();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      onSubmit(event);
    }
  };
  const problem = problems.value.get('prompt');
  return html`<form class="prompt" onSubmit=${onSubmit} onKeyDown=${onKeyDown}>
    <label class="title" for="prompt">What shall I draw?</label>
    <textarea
      id="prompt"
      rows="2"
      dir="auto"
      value=${inputValue('prompt')}
      aria-invalid=${Boolean(problem)}
      aria-describedby="prompt-problem"
      onInput=${(/** @type {Event} */ event) => set({ prompt: textOf(event) })}
    ></textarea>
    <div class="row send">
      <button class="draw" type="submit">Draw</button>
      <${Seed} />
      <button type="button" onClick=${() => add('watercolor', 0.5)}>+ a style</button>
      <button type="button" onClick=${() => add('text', -0.3)}>− something to avoid</button>
      <span class="hint keys">Ctrl + Enter also draws.</span>
    </div>
    <p id="prompt-problem" class="problem" aria-live="polite">${problem}</p>
    <${Chips} />
    <${Examples} />
    <p class="problem" role="alert">${problems.value.get('') ?? serverProblem.value}</p>
  </form>`;
}
