/** Links that carry all inputs. What is after the `#` stays in the browser: no server and no log gets it. */
import { completeInput, fieldOf, replaceAll, seedIsLocked, withoutFiles } from './inputs.js';

/** @param {Record<string, unknown>} input */
export function linkTo(input) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(withoutFiles(input))) {
    if (fieldOf(name) && value !== null) {
      parameters.set(name, String(value));
    }
  }
  const link = new URL(location.pathname, location.href);
  link.hash = parameters.toString();
  return link.href;
}

/** A link with the settings as they are. */
export const linkToSettings = () => linkTo(completeInput());

/** Takes over the inputs of the link with which the page was opened. Returns whether there were any. */
export function readLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const found = [...parameters].filter(([name]) => fieldOf(name));
  if (found.length === 0) {
    return false;
  }
  replaceAll(Object.fromEntries(found));
  // Whoever follows a link wants that drawing and no other.
  seedIsLocked.value = parameters.has('seed');
  return true;
}
