/** Asks for the access token of the server. It is kept until the tab is closed. */
import { needsToken, token, useToken } from './api.js';
import { html } from './html.js';
import { useEffect, useRef } from './vendor/hooks.js';

export function TokenDialog() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const isNeeded = needsToken.value;
  useEffect(() => {
    if (isNeeded && !dialog.current?.open) {
      dialog.current?.showModal();
    } else if (!isNeeded) {
      dialog.current?.close();
    }
  }, [isNeeded]);
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    if (text) {
      useToken(text);
    }
  };
  return html`<dialog ref=${dialog} aria-labelledby="token-title" onCancel=${(/** @type {Event} */ event) => event.preventDefault()}>
    <form onSubmit=${onSubmit}>
      <h2 id="token-title">This server needs an access token</h2>
      <p class="problem" role="alert">${isNeeded && token.value ? 'This token is wrong.' : ''}</p>
      <label for="token">Token</label>
      <input id="token" ref=${input} type="password" autocomplete="off" required />
      <p class="hint">It is kept in this tab only, until you close it.</p>
      <button class="draw" type="submit">Continue</button>
    </form>
  </dialog>`;
}
