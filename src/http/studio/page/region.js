/** The region over the canvas: a field that shows the penalty, the outline, and handles to move it. */
import { html } from './html.js';
import { fieldOf, inputValue, numberOf, set } from './inputs.js';
import { useEffect, useRef } from './vendor/hooks.js';
import { signal } from './vendor/signals.js';

/** Whether the region is shown over drawings. */
export const regionIsShown = signal(false);

/** Lengths are given for a canvas of this size. */
const REFERENCE = 224;
/** The field has so many samples in each direction. */
const SAMPLES = 48;
/** A penalty of this size on one point makes the field half opaque. */
const HALF = 1;
const STRONGEST = 0.75;
/** The radius of the corners of a frame, as a part of its shorter side, as in region/rectangle.rs on the server. */
const CORNER_RADIUS = 0.25;
/** The regions that are known here. */
const KINDS = ['circle', 'ellipse', 'rectangle', 'frame'];

/** What the region is called. */
export const regionName = () => String(inputValue('region_shape') || 'circle');

/** The region as fractions of the canvas, and what the penalty outside of it is. */
function region() {
  const width = numberOf('canvas_width', REFERENCE);
  const height = numberOf('canvas_height', REFERENCE);
  return {
    kind: regionName(),
    size: [numberOf('region_width', 150), numberOf('region_height', 100)],
    rotation: numberOf('region_rotation', 0),
    width,
    height,
    // As the server has it: the shorter side counts.
    scale: Math.min(width, height) / REFERENCE,
    x: numberOf('centre_x', 0.5),
    y: numberOf('centre_y', 0.5),
    // Around other regions it is the width of a free margin.
    radius: numberOf('distance_from_centre_threshold', 75),
    power: numberOf('distance_from_centre_power', 2),
    weight: numberOf('distance_from_centre_weight', 0.001),
  };
}

/** Whether the server has the inputs of the region, and it is not a painted one. */
export const hasRegion = () =>
  Boolean(
    fieldOf('centre_x') && fieldOf('centre_y') && fieldOf('distance_from_centre_threshold'),
  ) &&
  KINDS.includes(regionName()) &&
  inputValue('region_mask') === '';

/**
 * How far a point is outside of an ellipse around the origin, by Newton's method as on the server.
 * @param {number} x @param {number} y @param {number} a @param {number} b
 */
function outsideEllipse(x, y, a, b) {
  if ((x / a) ** 2 + (y / b) ** 2 <= 1) {
    return 0;
  }
  let t = Math.max(0, a * x - a * a, b * y - b * b);
  for (let step = 0; step < 20; step += 1) {
    const [first, second] = [((a * x) / (a * a + t)) ** 2, ((b * y) / (b * b + t)) ** 2];
    const slope = 2 * (first / (a * a + t) + second / (b * b + t));
    t += (first + second - 1) / slope;
  }
  return Math.hypot((x * t) / (a * a + t), (y * t) / (b * b + t));
}

/**
 * How far a point is from where the free margin begins, in pixels of the reference canvas: from the centre of a circle,
 * whose radius is the margin, or from the edge of another region.
 * @param {ReturnType<typeof region>} shape @param {number} dx @param {number} dy
 */
function outside(shape, dx, dy) {
  if (shape.kind === 'circle') {
    return Math.hypot(dx, dy);
  }
  const angle = (-shape.rotation * Math.PI) / 180;
  const x = Math.abs(dx * Math.cos(angle) - dy * Math.sin(angle));
  const y = Math.abs(dx * Math.sin(angle) + dy * Math.cos(angle));
  const [a, b] = shape.size.map(side => side / 2);
  if (shape.kind === 'ellipse') {
    return outsideEllipse(x, y, a, b);
  }
  if (shape.kind === 'rectangle') {
    return Math.hypot(Math.max(0, x - a), Math.max(0, y - b));
  }
  const corner = 2 * CORNER_RADIUS * Math.min(a, b);
  const [u, v] = [x - a + corner, y - b + corner];
  const from = u > 0 && v > 0 ? Math.hypot(u, v) : Math.max(u, v);
  return Math.max(0, corner - from);
}

/** @param {number} number @param {number} digits */
const rounded = (number, digits) => Number(number.toFixed(digits));
const fraction = (/** @type {number} */ number) => rounded(Math.min(1, Math.max(0, number)), 3);

/** Paints how strong the penalty is at each place. @param {HTMLCanvasElement} canvas @param {ReturnType<typeof region>} shape */
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
      const distance = outside(shape, dx / shape.scale, dy / shape.scale);
      const excess = Math.max(0, distance - shape.radius);
      const penalty = shape.weight * excess ** shape.power;
      const place = 4 * (row * SAMPLES + column);
      picture.data.set([214, 60, 90, 255 * STRONGEST * (penalty / (penalty + HALF))], place);
    }
  }
  context.putImageData(picture, 0, 0);
}

/** @param {ReturnType<typeof region>} shape @param {string} key @param {boolean} isRim */
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

/** @param {{isRim: boolean, shape: ReturnType<typeof region>}} props */
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
    aria-label=${isRim ? 'Radius of the circle' : `Middle of the ${shape.kind}`}
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

/** @param {{shape: ReturnType<typeof region>}} props */
function Outline({ shape }) {
  const [x, y] = [shape.x * shape.width, shape.y * shape.height];
  const isCircle = shape.kind === 'circle';
  const [a, b] = (isCircle ? [shape.radius, shape.radius] : shape.size.map(side => side / 2)).map(
    length => length * shape.scale,
  );
  if (isCircle || shape.kind === 'ellipse') {
    return html`<ellipse
      cx=${x}
      cy=${y}
      rx=${a}
      ry=${b}
      transform=${isCircle ? undefined : `rotate(${shape.rotation} ${x} ${y})`}
    />`;
  }
  const corner = shape.kind === 'frame' ? 2 * CORNER_RADIUS * Math.min(a, b) : 0;
  return html`<rect
    x=${x - a}
    y=${y - b}
    width=${2 * a}
    height=${2 * b}
    rx=${corner}
    transform=${`rotate(${shape.rotation} ${x} ${y})`}
  />`;
}

/** The region over a canvas. It belongs to the settings of the next drawing. */
export function RegionOverlay() {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const shape = region();
  useEffect(() => {
    if (canvas.current) {
      paintField(canvas.current, shape);
    }
  });
  return html`<div class="overlay">
    <canvas ref=${canvas} width=${SAMPLES} height=${SAMPLES} aria-hidden="true"></canvas>
    <svg viewBox="0 0 ${shape.width} ${shape.height}" preserveAspectRatio="none" aria-hidden="true">
      <${Outline} shape=${shape} />
    </svg>
    <${Handle} isRim=${false} shape=${shape} />
    ${shape.kind === 'circle' && html`<${Handle} isRim=${true} shape=${shape} />`}
  </div>`;
}
