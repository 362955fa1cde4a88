/** The losses over the steps. Moving over the plot shows the frame of that step. */
import { html } from './html.js';
import { rangeOf, summary } from './losses.js';
import { useEffect, useRef } from './vendor/hooks.js';
import { effect, signal } from './vendor/signals.js';
import UPlot from './vendor/uplot.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

const HEIGHT = 190;
/** The colours of the terms in a light and in a dark page; each differs in brightness too. */
const COLORS = {
  light: ['#1f2430', '#1d6fd1', '#c2410c', '#0f7b5f', '#8a3ffc', '#b0126f', '#6b6f00', '#00748a'],
  dark: ['#f2f4f8', '#78b0ff', '#ff9d66', '#5fd6b0', '#c9a4ff', '#ff8fc7', '#d9dd55', '#63d3ea'],
};
const DASHES = [[], [], [6, 4], [2, 3], [8, 3, 2, 3], [4, 2], [1, 3], [10, 4]];

const scheme = matchMedia('(prefers-color-scheme: dark)');
const isDark = signal(scheme.matches);
scheme.addEventListener('change', () => {
  isDark.value = scheme.matches;
});

/** @param {number} place */
const colorOf = place => COLORS[isDark.value ? 'dark' : 'light'][place % 8];

/** @param {Drawing} drawing */
const seriesOf = drawing => [...drawing.losses.series.values()];

/**
 * @param {Drawing} drawing
 * @param {HTMLElement} parent
 */
function createPlot(drawing, parent) {
  const ink = isDark.value ? '#c6ccd8' : '#4a5160';
  const line = isDark.value ? '#3a4150' : '#dfe3ea';
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const font = '12px system-ui, sans-serif';
  return new UPlot(
    {
      width: parent.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      scales: { x: { time: false, range: (_, low, high) => [low ?? 0, Math.max(high ?? 1, 1)] } },
      axes: [
        { ...axis, font },
        { ...axis, font, size: 56 },
      ],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      series: [
        {},
        ...seriesOf(drawing).map((series, place) => ({
          label: series.name,
          stroke: colorOf(place),
          width: place === 0 ? 2 : 1.5,
          dash: DASHES[place % DASHES.length],
          spanGaps: true,
          points: { show: false },
        })),
      ],
      hooks: {
        setCursor: [
          plot => {
            // Only a person's pointer counts: the page itself moves the cursor along with the slider.
            if (parent.matches(':hover') && typeof plot.cursor.idx === 'number') {
              drawing.strokes.value = null;
              drawing.looked.value = plot.cursor.idx;
            }
          },
        ],
      },
    },
    dataOf(drawing),
    parent,
  );
}

/** @param {Drawing} drawing @returns {any} */
const dataOf = drawing => [drawing.losses.steps, ...seriesOf(drawing).map(series => series.values)];

/** @param {Drawing} drawing @param {HTMLElement} parent */
function keepPlot(drawing, parent) {
  /** @type {any} */
  let plot = null;
  let count = 0;
  let wasDark = isDark.value;
  const draw = () => {
    const { length } = seriesOf(drawing);
    if (plot && length === count) {
      plot.setData(dataOf(drawing));
      return;
    }
    plot?.destroy();
    count = length;
    plot = length > 0 ? createPlot(drawing, parent) : null;
  };
  const leave = () => {
    drawing.looked.value = null;
  };
  const sizes = new ResizeObserver(() =>
    plot?.setSize({ width: parent.clientWidth, height: HEIGHT }),
  );
  sizes.observe(parent);
  parent.addEventListener('pointerleave', leave);
  const stops = [
    effect(() => {
      drawing.count.value;
      // Other colours need another plot.
      count = wasDark === isDark.value ? count : -1;
      wasDark = isDark.value;
      draw();
    }),
    effect(() => {
      const index = drawing.looked.value;
      if (plot && index !== null && !parent.matches(':hover')) {
        plot.setCursor({ left: plot.valToPos(drawing.losses.steps[index] ?? 0, 'x'), top: 1 });
      }
    }),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
    sizes.disconnect();
    parent.removeEventListener('pointerleave', leave);
    plot?.destroy();
  };
}

const number = (/** @type {number | null} */ value) => (value === null ? '–' : value.toFixed(3));

/** @param {{drawing: Drawing}} props */
function Terms({ drawing }) {
  drawing.count.value;
  const all = seriesOf(drawing);
  const index = drawing.looked.value;
  const movement = all
    .filter(({ key }) => key !== 'total')
    .reduce((sum, one) => sum + rangeOf(one), 0);
  return html`<table class="terms">
    <caption class="unseen">The losses, term by term</caption>
    <thead>
      <tr>
        <th scope="col">Term</th>
        <th scope="col">First</th>
        <th scope="col">${index === null ? 'Now' : 'Here'}</th>
        <th scope="col">Effect</th>
      </tr>
    </thead>
    <tbody>
      ${all.map((series, place) => {
        const { first, last, share, effect: words } = summary(series, movement);
        const value = index === null ? last : (series.values[index] ?? null);
        return html`<tr key=${series.key}>
          <th scope="row">
            <svg class="swatch" viewBox="0 0 24 4" aria-hidden="true">
              <line x1="0" y1="2" x2="24" y2="2" stroke=${colorOf(place)} stroke-width="3" stroke-dasharray=${DASHES[place % 8].join(' ')} />
            </svg>
            <span title=${series.meaning}><bdi>${series.name}</bdi></span>
          </th>
          <td>${number(first)}</td>
          <td>${number(value)}</td>
          <td>
            ${
              words
                ? html`<strong class="idle">${words}</strong>`
                : series.key === 'total'
                  ? ''
                  : html`<meter min="0" max="1" value=${share} aria-label=${`Share of ${series.name} in all changes`}></meter>`
            }
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

/** @param {{drawing: Drawing}} props */
export function LossPlot({ drawing }) {
  const parent = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => keepPlot(drawing, /** @type {HTMLElement} */ (parent.current)), [drawing]);
  return html`<section class="block" aria-labelledby="losses-title">
    <h3 id="losses-title">The loss, term by term</h3>
    <div class="plot" ref=${parent} role="img" aria-label="Losses over the steps; the table below has the numbers"></div>
    <${Terms} drawing=${drawing} />
    <p class="hint">Move over the lines to see the drawing at that step. A term that does nothing is flat.</p>
  </section>`;
}
