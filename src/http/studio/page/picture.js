/** A drawing as an image. What comes from the server is never put into the page as markup. */
import { blobOf } from './frames.js';
import { html } from './html.js';
import { withRest } from './pace.js';
import { partOf, readSvg } from './svg.js';
import { useEffect, useRef } from './vendor/hooks.js';
import { effect } from './vendor/signals.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */

/** Who wants less motion sees a new frame only so often, in milliseconds. */
const CALM_PAUSE = 1000;

const lessMotion = matchMedia('(prefers-reduced-motion: reduce)');

/**
 * Shows files in an image, one after another. A file that comes while another is being prepared waits, and is
 * left out if a newer one comes.
 */
class Screen {
  /** @param {HTMLImageElement} image */
  constructor(image) {
    this.image = image;
    /** @type {Blob | null} */
    this.wanted = null;
    this.isBusy = false;
    this.address = '';
  }

  /** @param {Blob | null} blob */
  show(blob) {
    this.wanted = blob;
    if (!this.isBusy) {
      this.run();
    }
  }

  async run() {
    this.isBusy = true;
    while (this.wanted) {
      const file = this.wanted;
      this.wanted = null;
      await withRest(() => this.put(file));
    }
    this.isBusy = false;
  }

  /** @param {Blob} file */
  async put(file) {
    const old = this.address;
    this.address = URL.createObjectURL(file);
    this.image.src = this.address;
    await this.image.decode().catch(() => {});
    URL.revokeObjectURL(old);
  }

  close() {
    this.wanted = null;
    URL.revokeObjectURL(this.address);
  }
}

/** The file that is to be seen: the frame that is looked at, or its first strokes. @param {Drawing} drawing */
function wantedFile(drawing) {
  const frame = drawing.shown.value;
  const blob = frame && blobOf(frame);
  const count = drawing.strokes.value;
  if (!blob || !frame || count === null || frame.type !== 'image/svg+xml') {
    return Promise.resolve(blob);
  }
  return blob.text().then(text => {
    const picture = readSvg(text);
    return picture ? new Blob([partOf(picture, count, true)], { type: frame.type }) : blob;
  });
}

/** @param {{drawing: Drawing, label: string}} props */
export function DrawingImage({ drawing, label }) {
  const image = useRef(/** @type {HTMLImageElement | null} */ (null));
  useEffect(() => {
    const screen = new Screen(/** @type {HTMLImageElement} */ (image.current));
    let newest = 0;
    let shownAt = 0;
    let timer = 0;
    const stop = effect(() => {
      const isLive = drawing.looked.value === null && !drawing.isFinal.value;
      const file = wantedFile(drawing);
      newest += 1;
      const number = newest;
      const wait = lessMotion.matches && isLive ? shownAt + CALM_PAUSE - Date.now() : 0;
      clearTimeout(timer);
      const show = () =>
        file.then(blob => {
          if (number === newest && blob) {
            shownAt = Date.now();
            screen.show(blob);
          }
        });
      if (wait > 0) {
        timer = setTimeout(show, wait);
      } else {
        show();
      }
    });
    return () => {
      stop();
      clearTimeout(timer);
      newest = -1;
      screen.close();
    };
  }, [drawing]);
  return html`<img ref=${image} class="drawing" alt=${label} draggable="false" />`;
}

/** An image of a file that does not change. @param {{blob: Blob | null, label: string}} props */
export function FileImage({ blob, label }) {
  const image = useRef(/** @type {HTMLImageElement | null} */ (null));
  useEffect(() => {
    if (!blob || !image.current) {
      return undefined;
    }
    const address = URL.createObjectURL(blob);
    image.current.src = address;
    return () => URL.revokeObjectURL(address);
  }, [blob]);
  return html`<img ref=${image} class="drawing" alt=${label} draggable="false" />`;
}
