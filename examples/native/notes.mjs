// A native application: it signs in once, keeps its refresh token in a file, and may be killed at any moment.
//
//     node notes.mjs sign-in ada@example.com < password.txt
//     node notes.mjs whoami
//     node notes.mjs sign-out
//
// NOTES_ISSUER and NOTES_CLIENT say who issues; NOTES_FILE says where the token is kept.

import { open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';

const { NOTES_ISSUER: issuer, NOTES_CLIENT: client_id, NOTES_FILE: file = 'notes-session.json' } = process.env;

/** Asks the JSON surface. `delivery: 'body'` says that this is no browser and keeps its refresh token itself. */
async function post(step, body) {
  const answer = await fetch(`${issuer}/api/v1/auth/${step}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id, delivery: 'body', ...body }),
  });
  if (answer.status === 204) return undefined;
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail), { status: answer.status, code: told.code });
  return told;
}

/** Written whole beside the old file, made durable, then put in its place: there is always one good token on the disk. */
async function keep({ refresh_token }) {
  const draft = await open(`${file}.new`, 'w', 0o600);
  try {
    await draft.writeFile(JSON.stringify({ refresh_token }));
    await draft.sync();
  } finally {
    await draft.close();
  }
  await rename(`${file}.new`, file);
  const folder = await open(dirname(file));
  await folder.sync();
  await folder.close();
}

async function kept() {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw error.code === 'ENOENT' ? Object.assign(new Error('nobody is signed in here'), { code: 'signed_out' }) : error;
  }
}

/**
 * An access token. The new refresh token is kept before the access token is used. Whoever is killed before that comes back
 * with the old one, and gets the same successor again.
 */
async function refreshed() {
  try {
    const tokens = await post('refresh', await kept());
    await keep(tokens);
    return tokens.access_token;
  } catch (error) {
    // Only this means that the sign-in is over. A server that cannot answer now has taken nothing away.
    if (error.code === 'signed_out') await rm(file, { force: true });
    throw error;
  }
}

const COMMANDS = {
  async 'sign-in'(email) {
    const password = (await text(process.stdin)).trimEnd();
    const answer = await post('sign-in', { email, password, device: `Notes on ${hostname()}` });
    if (answer.state !== 'signed_in') throw new Error(`sign in once in the browser first: the server asks ${answer.state}`);
    await keep(answer);
    console.log('signed in');
  },
  async whoami() {
    const authorization = `Bearer ${await refreshed()}`;
    const answer = await fetch(`${issuer}/oauth2/userinfo`, { headers: { authorization } });
    console.log((await answer.json()).email);
  },
  async 'sign-out'() {
    await post('sign-out', await kept());
    await rm(file, { force: true });
    console.log('signed out');
  },
};

const [command, ...words] = process.argv.slice(2);
try {
  if (!issuer || !client_id) throw new Error('NOTES_ISSUER and NOTES_CLIENT say who issues; README.md shows how');
  if (!Object.hasOwn(COMMANDS, command ?? '')) throw new Error(`say one of: ${Object.keys(COMMANDS).join(', ')}`);
  await COMMANDS[command](...words);
} catch (error) {
  console.error(error.code === 'signed_out' ? 'signed out; sign in again' : error.message);
  process.exitCode = 1;
}
