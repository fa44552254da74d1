// The native sample, killed between refreshing and keeping its new token, started again with the old one: it stays signed
// in. A proxy stands between the two, which knows when the server has rotated.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { client, native } from './lib/samples.mjs';
import { withServer } from './lib/server.mjs';

const ROUNDS = 12;

/** Passes everything on to `target`; `answered` may hold or end what the server's answer to a path would reach. */
async function proxy(target, answered) {
  const { hostname, port, host } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host };
    const onward = ask({ hostname, port, path: incoming.url, method: incoming.method, headers }, async (answer) => {
      const body = [];
      for await (const bytes of answer) body.push(bytes);
      if (await answered(incoming.url, answer.statusCode)) return outgoing.destroy();
      outgoing.writeHead(answer.statusCode, answer.headers);
      return outgoing.end(Buffer.concat(body));
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

await withServer('sqlite', async (server) => {
  await client(server, 'notes-desk', 'http://127.0.0.1/callback');
  const folder = mkdtempSync(join(tmpdir(), 'claviger-native-'));
  const file = join(folder, 'session.json');
  let victim;
  const between = await proxy(server.url, async (path, status) => {
    if (!victim || !path.endsWith('/refresh')) return false;
    assert.equal(status, 200, 'the server has rotated');
    const gone = once(victim, 'exit');
    victim.kill('SIGKILL');
    await gone;
    return true;
  });
  const environment = { NOTES_CLIENT: 'notes-desk', NOTES_FILE: file };
  const app = native({ ...environment, NOTES_ISSUER: server.url });
  const watched = native({ ...environment, NOTES_ISSUER: between.url });
  try {
    const signedIn = await app(['sign-in', server.user.email], { input: `${server.user.password}\n` });
    assert.deepEqual([signedIn.code, signedIn.said], [0, 'signed in']);
    assert.equal(statSync(file).mode & 0o777, 0o600, 'nobody else can read the token');

    for (let round = 0; round < ROUNDS; round += 1) {
      const before = readFileSync(file, 'utf8');
      const killed = await watched(['whoami'], { spawned: (child) => (victim = child) });
      victim = undefined;
      assert.equal(killed.signal, 'SIGKILL');
      assert.equal(readFileSync(file, 'utf8'), before, 'the old token is what it comes back with');
      const again = await app(['whoami']);
      assert.deepEqual([again.code, again.said], [0, server.user.email], `round ${round}`);
      assert.notEqual(readFileSync(file, 'utf8'), before);
    }

    // Killed at any moment whatever, also while it writes.
    for (let round = 0; round < ROUNDS; round += 1) {
      await app(['whoami'], { spawned: (child) => setTimeout(() => child.kill('SIGKILL'), 40 + 15 * round) });
      const again = await app(['whoami']);
      assert.deepEqual([again.code, again.said], [0, server.user.email], `round ${round}`);
    }

    // The operator sees the device and ends its session: the next use is the last.
    const { items } = await server.command('session', 'list', server.user.email);
    assert.deepEqual(items.map(({ device }) => device), [`Notes on ${hostname()}`]);
    await server.command('session', 'end', server.user.email, items[0].id);
    const over = await app(['whoami']);
    assert.deepEqual([over.code, over.said, existsSync(file)], [1, 'signed out; sign in again', false]);
    await app(['sign-in', server.user.email], { input: server.user.password });

    const out = await app(['sign-out']);
    assert.deepEqual([out.code, out.said], [0, 'signed out']);
    assert.equal((await app(['whoami'])).code, 1);
    console.log(`${ROUNDS} kills after the rotation, ${ROUNDS} at any moment`);
  } finally {
    between.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
