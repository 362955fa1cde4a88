/** The centre circle over the canvas: a field that shows the penalty, and handles to move it. */
import { html } from './html.js';
import { fieldOf, inputValue, numberOf, set } from './inputs.js';
import { useEffect, useRef } from './vendor/hooks.js';
import { signal } from './vendor/signals.js';

/** Whether the circle is shown over drawings. */
export const circleIsShown = signal(false);

/** Lengths are given for a canvas of this size. */
const REFERENCE = 224;
/** The field has so many samples in each direction. */
const SAMPLES = 48;
/** A penalty of this size on one point makes the field half opaque. */
const HALF = 1;
const STRONGEST = 0.75;

/** The circle as fractions of the canvas, and what the penalty outside of it is. */
function circle() {
  const width = numberOf('canvas_width', REFERENCE);
  const height = numberOf('canvas_height', REFERENCE);
  return {
    width,
    height,
    // As the server has it: the shorter side counts.
    scale: Math.min(width, height) / REFERENCE,
    x: numberOf('centre_x', 0.5),
    y: numberOf('centre_y', 0.5),
    radius: numberOf('distance_from_centre_threshold', 75),
    power: numberOf('distance_from_centre_power', 2),
    weight: numberOf('distance_from_centre_weight', 0.001),
  };
}

/** Whether the server has the inputs of the circle, and no other region is chosen. */
export const hasCircle = () =>
  Boolean(
    fieldOf('centre_x') && fieldOf('centre_y') && fieldOf('distance_from_centre_threshold'),
  ) &&
  ['', 'circle'].includes(String(inputValue('region_shape'))) &&
  inputValue('region_mask') === '';

/** @param {number} number @param {number} digits */
const rounded = (number, digits) => Number(number.toFixed(digits));
const fraction = (/** @type {number} */ number) => rounded(Math.min(1, Math.max(0, number)), 3);

/** Paints how strong the penalty is at each place. @param {HTMLCanvasElement} canvas @param {ReturnType<typeof circle>} shape */
function paintField(canvas, shape) {
  const context = canvas.getContext('2d');
  if (!context) {
    return;
  }
  const picture = context.createImageData(SAMPLES, SAMPLES);
  for (let row = 0; row < SAMPLES; row += 1) {
    for (let column = 0; column < SAMPLES; column += 1) {
      const dx = ((column + 0.5) / SAMPLES - shape.x) * shape.width;
      const dy = ((row + 0.5) / SAMPLES - shape.y) * shape.height;
      const excess = Math.max(0, Math.hypot(dx, dy) / shape.scale - shape.radius);
      const penalty = shape.weight * excess ** shape.power;
      const place = 4 * (row * SAMPLES + column);
      picture.data.set([214, 60, 90, 255 * STRONGEST * (penalty / (penalty + HALF))], place);
    }
  }
  context.putImageData(picture, 0, 0);
}

/** @param {ReturnType<typeof circle>} shape @param {string} key @param {boolean} isRim */
function afterKey(shape, key, isRim) {
  const sign = { ArrowLeft: -1, ArrowDown: isRim ? -1 : 1, ArrowRight: 1, ArrowUp: isRim ? 1 : -1 }[
    key
  ];
  if (sign === undefined) {
    return null;
  }
  if (isRim) {
    return { distance_from_centre_threshold: Math.max(0, shape.radius + sign) };
  }
  return key === 'ArrowLeft' || key === 'ArrowRight'
    ? { centre_x: fraction(shape.x + sign * 0.01) }
    : { centre_y: fraction(shape.y + sign * 0.01) };
}

/** @param {{isRim: boolean, shape: ReturnType<typeof circle>}} props */
function Handle({ isRim, shape }) {
  const x = 100 * shape.x + (isRim ? (100 * shape.radius * shape.scale) / shape.width : 0);
  const onPointerMove = (/** @type {PointerEvent} */ event) => {
    const handle = /** @type {HTMLElement} */ (event.currentTarget);
    if (!handle.hasPointerCapture(event.pointerId)) {
      return;
    }
    const box = /** @type {HTMLElement} */ (handle.parentElement).getBoundingClientRect();
    const left = (event.clientX - box.left) / box.width;
    const top = (event.clientY - box.top) / box.height;
    if (isRim) {
      const distance = Math.hypot((left - shape.x) * shape.width, (top - shape.y) * shape.height);
      set({ distance_from_centre_threshold: rounded(distance / shape.scale, 1) });
    } else {
      set({ centre_x: fraction(left), centre_y: fraction(top) });
    }
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const changes = afterKey(shape, event.key, isRim);
    if (changes) {
      event.preventDefault();
      set(changes);
    }
  };
  const percent = (/** @type {number} */ part) => `${Math.round(100 * part)} percent`;
  const text = isRim
    ? `radius ${Math.round(shape.radius)}`
    : `${percent(shape.x)} from the left, ${percent(shape.y)} from the top`;
  return html`<div
    class=${isRim ? 'handle rim' : 'handle middle'}
    style=${{ left: `${Math.min(100, x)}%`, top: `${100 * shape.y}%` }}
    role="slider"
    tabindex="0"
    aria-label=${isRim ? 'Radius of the circle' : 'Middle of the circle'}
    aria-valuemin="0"
    aria-valuemax=${isRim ? 10_000 : 100}
    aria-valuenow=${isRim ? Math.round(shape.radius) : Math.round(100 * shape.x)}
    aria-valuetext=${text}
    onPointerDown=${(/** @type {PointerEvent} */ event) => {
      /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    }}
    onPointerMove=${onPointerMove}
    onKeyDown=${onKeyDown}
  ></div>`;
}

/** The circle over a canvas. It belongs to the settings of the next drawing. */
export function CircleOverlay() {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const shape = circle();
  useEffect(() => {
    if (canvas.current) {
      paintField(canvas.current, shape);
    }
  });
  return html`<div class="overlay">
    <canvas ref=${canvas} width=${SAMPLES} height=${SAMPLES} aria-hidden="true"></canvas>
    <svg viewBox="0 0 ${shape.width} ${shape.height}" preserveAspectRatio="none" aria-hidden="true">
      <ellipse
        cx=${shape.x * shape.width}
        cy=${shape.y * shape.height}
        rx=${shape.radius * shape.scale}
        ry=${shape.radius * shape.scale}
      />
    </svg>
    <${Handle} isRim=${false} shape=${shape} />
    <${Handle} isRim=${true} shape=${shape} />
  </div>`;
}
