// The applications of `examples/`, started unchanged.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const EXAMPLES = new URL('../../examples/', import.meta.url);

const example = (path) => fileURLToPath(new URL(path, EXAMPLES));

/** A public first-party client whose page or program stands at `address`, as the README says to make it. */
export const client = (server, id, address) =>
  server.command(
    ...['client', 'create', id, '--client-id', id, '--public', '--first-party', '--redirect-uri', address],
    ...['--grant', 'authorization_code', '--grant', 'refresh_token'],
  );

/** Runs `body` with the address of the single-page application. */
export async function withPage(server, body) {
  const words = ['--issuer', server.url, '--client', 'notes-spa', '--port', '0'];
  const process_ = spawn(process.execPath, [example('spa/serve.mjs'), ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [address] = await once(createInterface({ input: process_.stdout }), 'line');
    await client(server, 'notes-spa', address);
    await body(address);
  } finally {
    process_.kill();
  }
}

/** The native application: each call is a process, which `spawned` may watch and end. */
export function native(environment) {
  return async (words, { input = '', spawned = () => {} } = {}) => {
    const child = spawn(process.execPath, [example('native/notes.mjs'), ...words], { env: { ...process.env, ...environment } });
    spawned(child);
    let said = '';
    child.stdout.on('data', (bytes) => (said += bytes));
    child.stderr.on('data', (bytes) => (said += bytes));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [code, signal] = await once(child, 'close');
    return { code, signal, said: said.trim() };
  };
}
