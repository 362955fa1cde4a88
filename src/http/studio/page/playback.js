/** Plays a drawing again: frame by frame, or at the end stroke by stroke. */
import { blobOf } from './frames.js';
import { html } from './html.js';
import { readSvg } from './svg.js';
import { useEffect } from './vendor/hooks.js';
import { useSignal } from './vendor/signals.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

/** Frames and strokes for each second at the speed 1. */
const FRAMES_PER_SECOND = 10;
const STROKES_PER_SECOND = 40;
const SPEEDS = [0.25, 0.5, 1, 2, 4];

/** @param {Drawing} drawing @param {number} last @param {number} amount */
function advance(drawing, last, amount) {
  const isByStroke = drawing.strokes.value !== null;
  const now = isByStroke ? (drawing.strokes.value ?? 0) : (drawing.looked.value ?? last);
  const next = Math.min(last, now + amount);
  if (isByStroke) {
    drawing.strokes.value = next;
  } else {
    drawing.looked.value = next;
  }
  return next >= last;
}

/** @param {Drawing} drawing */
async function countStrokes(drawing) {
  const frame = drawing.shown.value;
  const blob = frame && blobOf(frame);
  return (blob && readSvg(await blob.text())?.strokes.length) || 0;
}

/**
 * Moves on with time while `isPlaying`.
 * @param {Drawing} drawing
 * @param {import('./vendor/signals.js').Signal<boolean>} isPlaying
 * @param {{speed: number, last: number}} options
 */
function usePlaying(drawing, isPlaying, { speed, last }) {
  const isByStroke = drawing.strokes.value !== null;
  useEffect(() => {
    if (!isPlaying.value) {
      return undefined;
    }
    const rate = speed * (isByStroke ? STROKES_PER_SECOND : FRAMES_PER_SECOND);
    let before = performance.now();
    let rest = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      rest += ((now - before) / 1000) * rate;
      before = now;
      const whole = Math.floor(rest);
      rest -= whole;
      if (whole > 0 && advance(drawing, last, whole)) {
        isPlaying.value = false;
      }
    }, 30);
    return () => clearInterval(timer);
  }, [drawing, isPlaying.value, isByStroke, speed, last]);
}

/** @param {{drawing: Drawing}} props */
export function Playback({ drawing }) {
  const isPlaying = useSignal(false);
  const speed = useSignal(1);
  const strokes = useSignal(0);
  const frames = Math.max(0, drawing.count.value - 1);
  const isByStroke = drawing.strokes.value !== null;
  const last = isByStroke ? strokes.value : frames;
  const place = isByStroke
    ? (drawing.strokes.value ?? 0)
    : Math.min(drawing.looked.value ?? frames, frames);
  usePlaying(drawing, isPlaying, { speed: speed.value, last });
  const go = (/** @type {number} */ to) => {
    if (isByStroke) {
      drawing.strokes.value = to;
    } else {
      drawing.looked.value = to;
    }
  };
  const onPlay = () => {
    if (!isPlaying.value && place >= last) {
      go(0);
    }
    isPlaying.value = !isPlaying.value;
  };
  const onByStroke = async (/** @type {Event} */ event) => {
    isPlaying.value = false;
    const { checked } = /** @type {HTMLInputElement} */ (event.currentTarget);
    strokes.value = checked ? await countStrokes(drawing) : 0;
    drawing.strokes.value = checked ? strokes.value : null;
  };
  const onSlide = (/** @type {Event} */ event) => {
    isPlaying.value = false;
    go(Number(/** @type {HTMLInputElement} */ (event.currentTarget).value));
  };
  const frame = drawing.shown.value;
  const words = isByStroke
    ? `${place} of ${last} ${last === 1 ? 'stroke' : 'strokes'}`
    : `step ${frame?.step ?? 0} of ${drawing.steps}`;
  return html`<section class="block" aria-labelledby="playback-title">
    <h3 id="playback-title">Play back</h3>
    <div class="row">
      <button type="button" class="play" onClick=${onPlay} disabled=${last === 0}>
        ${isPlaying.value ? 'Pause' : 'Play'}
      </button>
      <input
        type="range"
        class="slider"
        min="0"
        max=${last}
        value=${place}
        aria-label=${isByStroke ? 'Stroke' : 'Frame'}
        aria-valuetext=${words}
        onInput=${onSlide}
      />
      <output class="place">${words}</output>
    </div>
    <div class="row">
      <label>
        Speed
        <select onChange=${(/** @type {Event} */ event) => {
          speed.value = Number(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
        }}>
          ${SPEEDS.map(one => html`<option value=${one} selected=${one === speed.value}>${one}×</option>`)}
        </select>
      </label>
      <label>
        <input type="checkbox" checked=${isByStroke} onChange=${onByStroke} disabled=${frame?.type !== 'image/svg+xml'} />
        Stroke by stroke
      </label>
      <button
        type="button"
        disabled=${drawing.looked.value === null}
        onClick=${() => {
          isPlaying.value = false;
          drawing.looked.value = null;
        }}
      >
        ${drawing.isFinal.value ? 'Show the finished drawing' : 'Show it live'}
      </button>
    </div>
  </section>`;
}
