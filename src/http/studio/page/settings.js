/** All other inputs, as the server describes them. */
import { html } from './html.js';
import { defaultOf, groups, inputValue, isChanged, problems, reset, set } from './inputs.js';
import { hasRegion, regionIsShown, regionName } from './region.js';
import { dataUrl, shownValue } from './schema.js';
import { useSignal } from './vendor/signals.js';

/** @typedef {import('./schema.js').Field} Field */

/** Inputs that have a place of their own. */
const ELSEWHERE = ['prompt', 'seed'];
/** The group with the region. */
const CENTRE = 'Centre';

/** @param {Event} event */
const valueIn = event => /** @type {HTMLInputElement} */ (event.currentTarget).value;

/** `#abc` as `#aabbcc`, which is the only form that a browser's colour field takes. @param {string} color */
const longColor = color =>
  /^#[0-9a-f]{3}$/i.test(color)
    ? `#${[...color.slice(1)].map(digit => digit + digit).join('')}`
    : color;

/** @param {{field: Field, describedBy: string}} props */
function Control({ field, describedBy }) {
  const { name, kind } = field;
  const value = inputValue(name);
  const common = {
    id: name,
    'aria-invalid': problems.value.has(name),
    'aria-describedby': describedBy,
  };
  const onInput = (/** @type {Event} */ event) => set({ [name]: valueIn(event) });
  if (kind === 'choice') {
    return html`<select ...${common} onChange=${onInput}>
      ${field.choices?.map(choice => html`<option selected=${choice === value}>${choice}</option>`)}
    </select>`;
  }
  if (kind === 'boolean') {
    return html`<input
      ...${common}
      type="checkbox"
      checked=${value === true}
      onChange=${(/** @type {Event} */ event) =>
        set({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).checked })}
    />`;
  }
  if (kind === 'color') {
    const isNone = value === 'none';
    return html`<input ...${common} type="color" disabled=${isNone} value=${longColor(String(value))} onInput=${onInput} />
      ${
        field.allowsNone &&
        html`<label class="check">
          <input
            type="checkbox"
            checked=${isNone}
            onChange=${() => set({ [name]: isNone ? undefined : 'none' })}
          />
          None
        </label>`
      }`;
  }
  if (kind === 'text') {
    return html`<textarea ...${common} rows="2" dir="auto" value=${value} onInput=${onInput}></textarea>`;
  }
  if (kind === 'file') {
    return html`<span class="file">
      <input
        ...${common}
        type="file"
        value=${value === '' ? '' : undefined}
        onChange=${async (/** @type {Event} */ event) => {
          const [file] = /** @type {HTMLInputElement} */ (event.currentTarget).files ?? [];
          set({ [name]: file && (await dataUrl(file)) });
        }}
      />
      ${value !== '' && html`<span class="quiet">${shownValue(value)}</span>`}
    </span>`;
  }
  return html`<input
    ...${common}
    type="number"
    min=${field.min}
    max=${field.max}
    step=${kind === 'integer' ? 1 : 'any'}
    value=${value}
    onInput=${onInput}
  />`;
}

/** @param {{field: Field}} props */
function Setting({ field }) {
  const isExplained = useSignal(false);
  const { name, label, min, max } = field;
  const initial = defaultOf(field);
  const help = `${name}-help`;
  const problem = `${name}-problem`;
  const range = min !== undefined && max !== undefined ? ` From ${min} to ${max}.` : '';
  return html`<div class=${isChanged(name) ? 'setting changed' : 'setting'}>
    <label for=${name}>${label}${isChanged(name) && html`<span class="mark"> changed</span>`}</label>
    <div class="control">
      <${Control} field=${field} describedBy=${`${help} ${problem}`} />
      ${
        isChanged(name) &&
        html`<button
          type="button"
          class="icon"
          aria-label=${`${label}: reset to ${initial ?? 'none'}`}
          title=${`Reset to ${initial ?? 'none'}`}
          onClick=${() => reset([name])}
        >
          ↺
        </button>`
      }
      <button
        type="button"
        class="icon"
        aria-label=${`What is ${label}?`}
        aria-expanded=${isExplained.value}
        onClick=${() => {
          isExplained.value = !isExplained.value;
        }}
      >
        ?
      </button>
    </div>
    <p id=${help} class="help" hidden=${!isExplained.value}>${field.help}${range} <code>${name}</code></p>
    <p id=${problem} class="problem" aria-live="polite">${problems.value.get(name)}</p>
  </div>`;
}

/** @param {{title: string, fields: Field[]}} props */
function SettingsGroup({ title, fields }) {
  const names = fields.map(field => field.name);
  const changed = names.filter(isChanged);
  return html`<fieldset>
    <legend>${title}</legend>
    ${
      title === CENTRE &&
      hasRegion() &&
      html`<label class="check">
        <input
          type="checkbox"
          checked=${regionIsShown.value}
          onChange=${() => {
            regionIsShown.value = !regionIsShown.value;
          }}
        />
        Show the ${regionName()} over the drawing
      </label>`
    }
    ${fields.map(field => html`<${Setting} key=${field.name} field=${field} />`)}
    ${
      changed.length > 1 &&
      html`<button type="button" onClick=${() => reset(changed)}>Reset all of ${title}</button>`
    }
  </fieldset>`;
}

export function Settings() {
  const shown = [...groups.value]
    .map(([title, fields]) => ({
      title,
      fields: fields.filter(({ name }) => !ELSEWHERE.includes(name)),
    }))
    .filter(({ fields }) => fields.length > 0);
  const changed = shown.flatMap(({ fields }) => fields.map(({ name }) => name)).filter(isChanged);
  // On a phone the settings are folded until somebody wants them.
  const isWide = matchMedia('(min-width: 900px)').matches;
  return html`<details class="settings" open=${isWide}>
    <summary>
      <h2>Settings</h2>
      ${changed.length > 0 && html`<span class="mark">${changed.length} changed</span>`}
    </summary>
    ${shown.map(({ title, fields }) => html`<${SettingsGroup} key=${title} title=${title} fields=${fields} />`)}
    <button type="button" disabled=${changed.length === 0} onClick=${() => reset(changed)}>
      Put everything back
    </button>
  </details>`;
}
