/** The inputs as the server's OpenAPI document describes them. */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {string} group
 * @property {'text' | 'number' | 'integer' | 'boolean' | 'color' | 'choice' | 'file'} kind
 * @property {string | number | boolean | null} initial the default; null means that the server chooses, or no file
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [maxLength]
 * @property {boolean} [allowsNone] whether a colour may be the word none
 * @property {string[]} [choices]
 */

/** Shorter names than those of the inputs. An input without one is shown with its title. */
const LABELS = /** @type {Record<string, string>} */ ({
  prompt: 'What shall I draw?',
  num_paths: 'Number of strokes',
  num_iterations: 'Steps',
  display_frequency: 'Steps between frames',
  distance_from_centre_threshold: 'Radius',
  distance_from_centre_power: 'Power',
  distance_from_centre_weight: 'Weight',
  seed: 'Seed',
  centre_x: 'From the left',
  centre_y: 'From the top',
  num_augmentations: 'Views in each step',
  min_stroke_width: 'Thinnest stroke',
  max_stroke_width: 'Thickest stroke',
  canvas_width: 'Width',
  canvas_height: 'Height',
  background: 'Paper',
  clip_weight: 'Weight of the prompt',
  recipe: 'Recipe',
  output_format: 'File format',
  truncate: 'Cut a prompt that is too long',
  image_prompt: 'Picture as the prompt',
  image_prompt_weight: 'Weight of the picture',
  likeness: 'Likeness to the picture',
  init_svg: 'Start from',
  fixed_svg: 'Strokes that stay',
  region_shape: 'Region',
  region_width: 'Width of the region',
  region_height: 'Height of the region',
  region_rotation: 'Rotation of the region',
  region_mask: 'Painted region',
  ink: 'Ink',
  stroke_color: 'Colour of all strokes',
  stroke_width: 'Width of all strokes',
  palette: 'Palette',
  max_colors: 'Maximum number of colours',
  clean: 'Leave out hidden strokes',
  animation: 'Animation',
  animation_style: 'What the animation shows',
  num_outputs: 'Number of drawings',
});

/**
 * @param {any} property
 * @param {any} choices the enumeration that it refers to
 * @returns {Field['kind']}
 */
function kindOf(property, choices) {
  if (choices) {
    return 'choice';
  }
  if (['integer', 'number', 'boolean'].includes(property.type)) {
    return property.type;
  }
  if (property.format === 'uri') {
    return 'file';
  }
  // A colour field of a browser always has a value, so one that is absent by default is a text.
  return typeof property.default === 'string' && String(property.pattern).startsWith('^#')
    ? 'color'
    : 'text';
}

/**
 * The inputs in a document, in their order.
 * @param {any} document
 * @returns {Field[]}
 */
export function readFields(document) {
  const schemas = document?.components?.schemas ?? {};
  const properties = Object.entries(schemas.Input?.properties ?? {});
  properties.sort(([, a], [, b]) => (a['x-order'] ?? 0) - (b['x-order'] ?? 0));
  return properties.map(([name, property]) => {
    const reference = property.allOf?.[0]?.$ref?.split('/').at(-1);
    const choices = property.enum ?? schemas[reference]?.enum;
    return {
      name,
      label: LABELS[name] ?? property.title ?? name,
      help: property.description ?? '',
      group: property['x-group'] ?? 'More',
      kind: kindOf(property, choices),
      initial: property.default ?? null,
      min: property.minimum,
      max: property.maximum,
      maxLength: property.maxLength,
      allowsNone: String(property.pattern).endsWith('|^none$'),
      choices,
    };
  });
}

/**
 * A value of a link or a file as the field wants it; undefined if it cannot be one.
 * @param {Field} field
 * @param {unknown} raw
 * @returns {string | number | boolean | undefined}
 */
export function readValue(field, raw) {
  if (field.kind === 'integer' || field.kind === 'number') {
    const number = typeof raw === 'string' && raw.trim() === '' ? Number.NaN : Number(raw);
    return Number.isFinite(number) ? number : undefined;
  }
  if (field.kind === 'boolean') {
    return ['true', 'false'].includes(String(raw)) ? String(raw) === 'true' : undefined;
  }
  // The server answers with the description of a file in the place of its content.
  if (field.kind === 'file' && String(raw).startsWith('data:') && String(raw).endsWith(',')) {
    return undefined;
  }
  return typeof raw === 'string' || typeof raw === 'number' ? String(raw) : undefined;
}

/** A file as a data URL. @param {Blob} file @returns {Promise<string>} */
export const dataUrl = file =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

/**
 * The inputs that a server shows, with the contents of the files that it was sent: it shows only their descriptions.
 * @param {Record<string, any>} shown
 * @param {Record<string, any>} sent
 */
export function withContents(shown, sent) {
  const contents = Object.entries(sent).filter(([, value]) => /^data:[^,]*,./s.test(String(value)));
  return { ...shown, ...Object.fromEntries(contents) };
}

/** A value as it is shown to a person: a file by its type and its size. @param {unknown} value */
export function shownValue(value) {
  const text = String(value);
  if (!text.startsWith('data:')) {
    return text;
  }
  const [head, content] = text.split(',', 2);
  const type = head.slice('data:'.length).split(';')[0] || 'file';
  return content
    ? `${type}, ${Math.ceil((content.length * 3) / 4 / 1024)} KB`
    : head.slice('data:'.length);
}
