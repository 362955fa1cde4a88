/** The frames of a drawing, within a limited memory. */

/** The memory for the frames of one drawing, in bytes, or characters of base64. */
const BUDGET = 48 << 20;

/** What a frame may be. Anything else that a server names is not shown. */
const TYPES = ['image/svg+xml', 'image/png'];

/**
 * @typedef {object} Frame
 * @property {number} index its place among all frames of the drawing, from 0
 * @property {number} step
 * @property {string} type `image/svg+xml`, `image/png`, or '' for a file that was uploaded
 * @property {string} data base64 until the file is needed, or the address of an uploaded file
 * @property {Blob} [blob] the file, once it was needed
 * @property {number} size the length of the data
 */

/**
 * Reads the file of an `output` event.
 * @param {unknown} file
 * @returns {{type: string, data: string} | null} null if it is neither a picture nor an address
 */
export function readFile(file) {
  if (typeof file !== 'string') {
    return null;
  }
  if (/^https?:\/\//.test(file)) {
    return { type: '', data: file };
  }
  const comma = file.indexOf(',');
  const type = TYPES.find(type => file.slice(0, comma) === `data:${type};base64`);
  return type ? { type, data: file.slice(comma + 1) } : null;
}

/**
 * The file of a frame.
 * @param {Frame} frame
 * @returns {Blob | null} null if it was uploaded, or is not base64
 */
export function blobOf(frame) {
  if (!frame.blob && frame.type) {
    try {
      const text = atob(frame.data);
      const bytes = new Uint8Array(text.length);
      for (let place = 0; place < text.length; place += 1) {
        bytes[place] = text.charCodeAt(place);
      }
      frame.blob = new Blob([bytes], { type: frame.type });
      frame.data = '';
    } catch {
      return null;
    }
  }
  return frame.blob ?? null;
}

/** The frames that are kept: all of them, or evenly spread ones if there are too many. */
export class Frames {
  constructor() {
    /** @type {Frame[]} */
    this.kept = [];
    this.size = 0;
    /** Frames whose index is a multiple of this are kept, and the newest one. */
    this.stride = 1;
  }

  /** @param {Frame} frame */
  add(frame) {
    const last = this.kept.at(-1);
    if (last && last.index >= frame.index) {
      return;
    }
    if (last && last.index % this.stride !== 0) {
      this.kept.pop();
      this.size -= last.size;
    }
    this.kept.push(frame);
    this.size += frame.size;
    while (this.size > BUDGET && this.kept.length > 3) {
      this.thin();
    }
  }

  thin() {
    this.stride *= 2;
    const last = this.kept.at(-1);
    this.kept = this.kept.filter(frame => frame.index % this.stride === 0 || frame === last);
    this.size = this.kept.reduce((size, frame) => size + frame.size, 0);
  }

  get last() {
    return this.kept.at(-1) ?? null;
  }

  /**
   * The newest frame that is not after `index`.
   * @param {number} index
   */
  at(index) {
    let low = 0;
    let high = this.kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.kept[middle].index <= index) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return this.kept[Math.max(0, low - 1)] ?? null;
  }
}
