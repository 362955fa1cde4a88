/** Drawings as SVG: read into plain numbers, and written again with what the page wants. */

/** @typedef {{d: string, color: string, opacity: string, width: string}} Stroke */
/** @typedef {{width: number, height: number, paper: string, strokes: Stroke[]}} Picture */

const PATH = /^[MCLQZ0-9 .,+-]+$/i;
const COLOR = /^#[0-9a-f]{3,8}$/i;
const NUMBER = /^[0-9.]+$/;

/** The value of an attribute of a tag. @param {string} tag @param {string} name */
const attribute = (tag, name) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];

/**
 * Reads a drawing of the server. Only paths with plain attributes are taken over, so that nothing else in the
 * text gets further. A parser of documents would look at all of it.
 * @param {string} text
 * @returns {Picture | null} null if it is no drawing
 */
export function readSvg(text) {
  const root = /<svg\s[^>]*>/.exec(text)?.[0] ?? '';
  const width = Number(attribute(root, 'width'));
  const height = Number(attribute(root, 'height'));
  if (!(width > 0) || !(height > 0)) {
    return null;
  }
  const paper = attribute(/<rect\s[^>]*>/.exec(text)?.[0] ?? '', 'fill') ?? '';
  const strokes = [];
  for (const [tag] of text.matchAll(/<path\s[^>]*>/g)) {
    const stroke = {
      d: attribute(tag, 'd') ?? '',
      color: attribute(tag, 'stroke') ?? '',
      opacity: attribute(tag, 'stroke-opacity') ?? '1',
      width: attribute(tag, 'stroke-width') ?? '1',
    };
    const isPlain = PATH.test(stroke.d) && COLOR.test(stroke.color);
    if (isPlain && NUMBER.test(stroke.opacity) && NUMBER.test(stroke.width)) {
      strokes.push(stroke);
    }
  }
  return { width, height, paper: COLOR.test(paper) ? paper : '', strokes };
}

/** @param {Picture} picture @param {boolean} withPaper @param {string} body */
function wrap(picture, withPaper, body) {
  const { width, height, paper } = picture;
  const rectangle =
    withPaper && paper ? `<rect width="${width}" height="${height}" fill="${paper}"/>\n` : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
    `${rectangle}<g fill="none" stroke-linecap="round" stroke-linejoin="round">\n${body}</g>\n</svg>\n`
  );
}

/** @param {Stroke} stroke */
const attributes = ({ d, color, opacity, width }) =>
  `d="${d}" stroke="${color}" stroke-opacity="${opacity}" stroke-width="${width}"`;

/**
 * The first strokes of a drawing.
 * @param {Picture} picture
 * @param {number} count
 * @param {boolean} withPaper
 */
export function partOf(picture, count, withPaper) {
  const paths = picture.strokes.slice(0, count).map(stroke => `<path ${attributes(stroke)}/>\n`);
  return wrap(picture, withPaper, paths.join(''));
}

/**
 * A moving SVG: every stroke goes from where it is in the first frame to where it is in the last, which stays
 * for a while.
 * @param {Picture[]} frames of the same drawing
 * @param {number} seconds
 * @param {boolean} withPaper
 */
export function timelapse(frames, seconds, withPaper) {
  const last = frames[frames.length - 1];
  // The last frame is held for a quarter of the time.
  const times = frames.map((_, place) => (0.75 * place) / Math.max(1, frames.length - 1));
  const keyTimes = [...times, 1].map(time => time.toFixed(4)).join(';');
  const animate = (/** @type {string} */ name, /** @type {string[]} */ steps) => {
    const values = [...steps, steps[steps.length - 1]];
    if (values.every(value => value === values[0])) {
      return '';
    }
    return (
      `<animate attributeName="${name}" dur="${seconds}s" repeatCount="indefinite" keyTimes="${keyTimes}" ` +
      `values="${values.join(';')}"/>`
    );
  };
  const paths = last.strokes.map((stroke, place) => {
    const all = frames.map(frame => frame.strokes[place] ?? stroke);
    const parts = [
      animate(
        'd',
        all.map(({ d }) => d),
      ),
      animate(
        'stroke',
        all.map(({ color }) => color),
      ),
      animate(
        'stroke-opacity',
        all.map(({ opacity }) => opacity),
      ),
      animate(
        'stroke-width',
        all.map(({ width }) => width),
      ),
    ];
    return `<path ${attributes(stroke)}>${parts.join('')}</path>\n`;
  });
  return wrap(last, withPaper, paths.join(''));
}
