/** Keeps the browser free: what costs it much is done less often. */

/** Work is followed by this many times as much rest. */
const REST = 1;
/** And by at most this rest, in milliseconds. */
const LONGEST_REST = 250;

const nextPicture = () => new Promise(resolve => requestAnimationFrame(resolve));

/** @param {number} milliseconds */
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

/**
 * Does something that changes the page, waits until the browser has shown it, and rests.
 * @param {() => unknown} work
 */
export async function withRest(work) {
  if (document.hidden) {
    // A hidden page is not painted.
    await work();
    await sleep(LONGEST_REST / 2);
    return;
  }
  const start = performance.now();
  await work();
  await Promise.race([nextPicture().then(nextPicture), sleep(LONGEST_REST)]);
  const cost = performance.now() - start;
  // Two pictures of the screen pass in any case.
  await sleep(Math.min(LONGEST_REST, REST * Math.max(0, cost - 34)));
}
