/** A request as commands and programs that somebody can copy. */
import { server, token } from './api.js';

/** @param {string} text in single quotes for a shell */
const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {Record<string, unknown>} input */
const mediaType = input => (input.output_format === 'png' ? 'image/png' : 'image/svg+xml');

/** @param {Record<string, unknown>} input */
const fileName = input => (input.output_format === 'png' ? 'drawing.png' : 'drawing.svg');

/** The environment variable from which the programs take the token, which they do not contain. */
const TOKEN_NAME = 'CLIPDRAW_TOKEN';

/** @param {Record<string, unknown>} input */
function curl(input) {
  const secret = token.value ? ` -H "Authorization: Bearer $${TOKEN_NAME}"` : '';
  const body = JSON.stringify({ input });
  return (
    `curl -sf ${quoted(new URL('predictions', server).href)}${secret} -H 'Accept: ${mediaType(input)}' ` +
    `-H 'Content-Type: application/json' -d ${quoted(body)} -o ${fileName(input)}`
  );
}

/** @param {Record<string, unknown>} input */
function javascript(input) {
  const secret = token.value
    ? `\n    Authorization: \`Bearer \${process.env.${TOKEN_NAME}}\`,`
    : '';
  return `const response = await fetch(${JSON.stringify(new URL('predictions', server).href)}, {
  method: 'POST',
  headers: {
    Accept: '${mediaType(input)}',
    'Content-Type': 'application/json',${secret}
  },
  body: JSON.stringify({ input: ${JSON.stringify(input, null, 2).replaceAll('\n', '\n  ')} }),
});
const drawing = await response.blob();
`;
}

/** The items of a dictionary, whose truth values Python writes in its own way. @param {Record<string, unknown>} input */
const pythonItems = input =>
  Object.entries(input)
    .map(([name, value]) => {
      const written =
        typeof value === 'boolean' ? (value ? 'True' : 'False') : JSON.stringify(value);
      return `        ${JSON.stringify(name)}: ${written},`;
    })
    .join('\n');

/** @param {Record<string, unknown>} input */
function python(input) {
  const secret = token.value
    ? `\n        "Authorization": "Bearer " + os.environ["${TOKEN_NAME}"],`
    : '';
  return `import json
${secret ? 'import os\n' : ''}import urllib.request

request = urllib.request.Request(
    ${JSON.stringify(new URL('predictions', server).href)},
    data=json.dumps({"input": {
${pythonItems(input)}
    }}).encode(),
    headers={
        "Accept": "${mediaType(input)}",
        "Content-Type": "application/json",${secret}
    },
)
with urllib.request.urlopen(request) as response:
    open("${fileName(input)}", "wb").write(response.read())
`;
}

/** @param {Record<string, unknown>} input */
function command(input) {
  const inputs = Object.entries(input).map(
    ([name, value]) => `-i ${name}=${quoted(String(value))}`,
  );
  return `clipdraw predict ${inputs.join(' ')} -o ${fileName(input)}`;
}

/** @type {[string, (input: Record<string, unknown>) => string][]} */
const LANGUAGES = [
  ['curl', curl],
  ['JavaScript', javascript],
  ['Python', python],
  ['clipdraw', command],
];

/**
 * The request for a drawing in every language.
 * @param {Record<string, unknown>} input
 * @returns {[string, string][]} name and text
 */
export const snippets = input => LANGUAGES.map(([name, write]) => [name, write(input)]);
