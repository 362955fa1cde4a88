/** Pictures as PNG. */

/** The longer side of a thumbnail in pixels. */
const THUMBNAIL = 256;

/**
 * @param {Blob} file
 * @param {(longerSide: number) => number} scale for a picture with this longer side in pixels
 * @returns {Promise<Blob>}
 */
export async function toPng(file, scale) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  try {
    image.src = address;
    await image.decode();
    const { naturalWidth, naturalHeight } = image;
    const factor = scale(Math.max(naturalWidth, naturalHeight));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(naturalWidth * factor));
    canvas.height = Math.max(1, Math.round(naturalHeight * factor));
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error('no picture'))), 'image/png');
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A small picture that a browser decodes at once, unlike a drawing of many strokes. @param {Blob} file */
export function thumbnailOf(file) {
  return toPng(file, longerSide => Math.min(1, THUMBNAIL / longerSide));
}
